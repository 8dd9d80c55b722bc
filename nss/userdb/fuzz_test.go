package userdb //nolint:testpackage // the parser is its own

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"testing"
)

// FuzzCall: whatever comes is a call that may be answered, or errMalformed.
func FuzzCall(f *testing.F) {
	for _, s := range []string{
		`{"method":"io.systemd.UserDatabase.GetUserRecord","parameters":{"userName":"ada","service":"io.sallyport"},"more":true}` + "\x00",
		`{"method":"io.systemd.UserDatabase.GetUserRecord","parameters":{"uid":1e3,"service":"io.sallyport"}}` + "\x00" + `{"method":`,
		`{"method":"a.b","parameters":[]}` + "\x00", "{}\x00", "\x00\x00", "null\x00", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bufio.NewScanner(bytes.NewReader(b))
		in.Buffer(nil, maxMessage)
		in.Split(splitNUL)
		for in.Scan() {
			c, err := parseCall(in.Bytes())
			if (err == nil) != (c.Method != "") || (err != nil && !errors.Is(err, errMalformed)) {
				t.Fatalf("%+v, %v", c, err)
			}
			var p struct {
				UID     *uint32 `json:"uid"`
				Service string  `json:"service"`
			}
			var told *fault
			if err := parameters(c.Parameters, &p); err != nil && !errors.As(err, &told) {
				t.Fatalf("parameters %s: %v", c.Parameters, err)
			}
		}
	})
}

func TestNobodyButALocalAccountIsBecome(t *testing.T) {
	path := t.TempDir() + "/passwd"
	if err := os.WriteFile(path, []byte("root:x:0:0::/:\nup:x:998:0::/:\nok:x:998:997::/:\nodd:x:-1:997::/:\nshort:x:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if uid, gid, err := idsOf(path, "ok"); uid != 998 || gid != 997 || err != nil {
		t.Error(uid, gid, err)
	}
	for _, name := range []string{"root", "up", "odd", "short", "nobodyhere", ""} {
		if _, _, err := idsOf(path, name); err == nil {
			t.Errorf("%q is somebody", name)
		}
	}
}
