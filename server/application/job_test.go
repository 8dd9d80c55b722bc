package application_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/server/application"
)

func read(r io.ReadCloser) []byte {
	b, _ := io.ReadAll(r)
	_ = r.Close()
	return b
}

func body(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

func TestAPersonHasResourcesMadeReadChangedAndDeleted(t *testing.T) {
	r := newRig(t)
	s := r.announced().alice()
	if got := r.does(s, message.Create, text("notes/one", "first", 0)); !got.Done || got.Revision != 1 {
		t.Errorf("create: %+v", got)
	}
	if got := r.does(s, message.Read, about("notes/one", 0)); !got.Done || string(got.Value) != `"first"` || got.Type != "text" || got.Revision != 1 {
		t.Errorf("read: %+v", got)
	}
	if got := r.does(s, message.Update, text("notes/one", "second", 1)); !got.Done || got.Revision != 2 {
		t.Errorf("update: %+v", got)
	}
	for what, c := range map[string]struct {
		operation message.Purpose
		order     message.OrderBody
		cause     application.Cause
	}{
		"once more":             {message.Create, text("notes/one", "x", 0), application.Exists},
		"of an old revision":    {message.Update, text("notes/one", "x", 1), application.OldVersion},
		"delete of an old one":  {message.Delete, about("notes/one", 1), application.OldVersion},
		"read of what is not":   {message.Read, about("notes/two", 0), application.NotFound},
		"delete of what is not": {message.Delete, about("notes/two", 1), application.NotFound},
	} {
		if got := r.does(s, c.operation, c.order); got.Done || got.Cause != string(c.cause) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if got := r.does(s, message.Delete, about("notes/one", 2)); !got.Done {
		t.Errorf("delete: %+v", got)
	}
	rows := strings.Join(append(r.audit("application.job"), r.audit("application.resolve")...), "\n")
	if n := strings.Count(rows, "\n") + 1; n != 18 || !strings.Contains(rows, "application notes|alice|") || strings.Contains(rows, "first") {
		t.Errorf("%d rows:\n%s", n, rows)
	}
}
