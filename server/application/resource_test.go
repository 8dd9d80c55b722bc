package application

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/application/message"
)

// ordered reads an order of that purpose.
func ordered(purpose message.Purpose, body string) (Operation, error) {
	return order(message.Envelope{Purpose: purpose, Body: json.RawMessage(body)})
}

// Promise application-order.
func TestAnOrderNamesOneResourceAndAValueOfItsType(t *testing.T) {
	create := func(resource, kind, value string) string {
		return `{"resource":"` + resource + `","type":"` + kind + `","value":` + value + `}`
	}
	for sentence, c := range map[string]struct {
		purpose message.Purpose
		body    string
		well    bool
	}{
		"a text":                    {message.Create, create("notes/a", "text", `"x"`), true},
		"a number":                  {message.Create, create("notes/a", "number", `-1.5e3`), true},
		"any JSON":                  {message.Create, create("notes/a", "json", `{"A":[null]}`), true},
		"bytes":                     {message.Create, create("notes/a", "bytes", `"AAE="`), true},
		"32 KB":                     {message.Create, create("notes/a", "text", `"`+strings.Repeat("x", 32<<10-2)+`"`), true},
		"a name with slashes":       {message.Read, `{"resource":"notes/a/b.c-d_e"}`, true},
		"an update":                 {message.Update, `{"resource":"notes/a","type":"text","value":"x","revision":1}`, true},
		"a delete":                  {message.Delete, `{"resource":"notes/a","revision":1}`, true},
		"more than 32 KB":           {message.Create, create("notes/a", "text", `"`+strings.Repeat("x", 32<<10-1)+`"`), false},
		"a number as a text":        {message.Create, create("notes/a", "text", `1`), false},
		"a text as a number":        {message.Create, create("notes/a", "number", `"1"`), false},
		"nothing as a number":       {message.Create, create("notes/a", "number", `null`), false},
		"bytes that are none":       {message.Create, create("notes/a", "bytes", `"A"`), false},
		"bytes in another alphabet": {message.Create, create("notes/a", "bytes", `"-_8="`), false},
		"an unknown type":           {message.Create, create("notes/a", "date", `"x"`), false},
		"no value":                  {message.Create, `{"resource":"notes/a","type":"json"}`, false},
		"a read with a value":       {message.Read, create("notes/a", "text", `"x"`), false},
		"a read with a revision":    {message.Read, `{"resource":"notes/a","revision":1}`, false},
		"a create with a revision":  {message.Create, `{"resource":"notes/a","type":"text","value":"x","revision":1}`, false},
		"an update without one":     {message.Update, create("notes/a", "text", `"x"`), false},
		"a delete without one":      {message.Delete, `{"resource":"notes/a"}`, false},
		"a revision without end":    {message.Delete, `{"resource":"notes/a","revision":18446744073709551615}`, false},
		"a revision below":          {message.Delete, `{"resource":"notes/a","revision":-1}`, false},
		"no resource":               {message.Read, `{}`, false},
		"a space alone":             {message.Read, `{"resource":"notes"}`, false},
		"no name":                   {message.Read, `{"resource":"notes/"}`, false},
		"no space":                  {message.Read, `{"resource":"/a"}`, false},
		"a name in capitals":        {message.Read, `{"resource":"notes/A"}`, false},
		"a name with two slashes":   {message.Read, `{"resource":"notes/a//b"}`, false},
		"a long name":               {message.Read, `{"resource":"notes/` + strings.Repeat("a", 129) + `"}`, false},
		"an unknown field":          {message.Read, `{"resource":"notes/a","as":"root"}`, false},
	} {
		_, err := ordered(c.purpose, c.body)
		var no refusal
		if c.well && err != nil || !c.well && (!errors.As(err, &no) || no.cause != Malformed) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestEachCauseHasWords(t *testing.T) {
	for c, w := range words() {
		if w == "" || strings.Contains(string(c), " ") {
			t.Errorf("%q: %q", c, w)
		}
	}
}

func FuzzOrder(f *testing.F) {
	f.Add(`{"resource":"notes/a"}`)
	f.Add(`{"resource":"notes/a","type":"bytes","value":"AAE=","revision":1}`)
	f.Add(`{"resource":"notes/a/b","type":"json","value":{"A":1,"a":[1]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, p := range []message.Purpose{message.Create, message.Read, message.Update, message.Delete} {
			o, err := ordered(p, body)
			if err != nil {
				continue
			}
			if again, err := ordered(p, body); err != nil || again.Resource() != o.Resource() {
				t.Fatal(again, err)
			}
			if strings.ContainsAny(o.Resource(), "\x00\n ") || !strings.HasPrefix(o.Resource(), o.Space+"/") || len(o.Value) > maxValue {
				t.Errorf("%+v", o)
			}
		}
	})
}

func FuzzPayload(f *testing.F) {
	for _, s := range []string{"ada@example.org", "+15550100123", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "-x@y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, m := range methods() {
			got, ok := m.payload(s)
			if ok && (strings.HasPrefix(got, "-") || strings.ContainsAny(got, "\x00\r\n ,;<>\"") || len(got) > 254 || got == "") {
				t.Errorf("%s takes %q", name, got)
			}
		}
	})
}
