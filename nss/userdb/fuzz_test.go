package userdb //nolint:testpackage // the parser is its own

import (
	"bufio"
	"bytes"
	"errors"
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
