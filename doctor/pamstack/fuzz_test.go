package pamstack_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/doctor/pamstack"
)

// FuzzStack: whatever a file says, reading and walking it ends, and no stack is called one
// that lets people of the realm in unless our module was asked or something else did.
// Promise pam-walk.
func FuzzStack(f *testing.F) {
	for _, s := range []string{
		"auth [success=2 default=ignore] pam_sallyport.so\nauth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n",
		"auth required pam_unix.so\n", "auth required pam_sallyport.so\n", "#auth required pam_sallyport.so\nauth required pam_unix.so", "", "\\\n",
		"@include svc\n", "auth include svc\nauth substack svc", "auth substack other\nauth required pam_permit.so", "-auth [success=done] pam_x.so",
		"auth [success=200 default=bad] pam_sallyport.so", "auth [default=reset] a\nauth [success=1] b\nauth substack other\n", "auth [a=b", "auth []] x", "auth required \\\n  pam_sallyport.so # x",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, own, other string) {
		l := pamstack.Loader{Dirs: []string{"/etc/pam.d"}, Read: func(path string) ([]byte, error) {
			switch path {
			case "/etc/pam.d/svc":
				return []byte(own), nil
			case "/etc/pam.d/other":
				return []byte(other), nil
			}
			return nil, os.ErrNotExist
		}}
		s, err := l.Load("svc")
		if err != nil {
			t.Fatal(err)
		}
		for _, facility := range pamstack.Facilities() {
			trace := s.Try(facility, pamstack.Ours, pamstack.Host{})
			if len(trace.Asked) > len(s.Stacks[facility]) {
				t.Fatalf("%d modules of %d were asked", len(trace.Asked), len(s.Stacks[facility]))
			}
			if trace.Result == pamstack.Success && trace.Decided == nil {
				t.Fatalf("success, and nothing decided: %q", own)
			}
			wrong := pamstack.Walk(s.Stacks[facility], func(*pamstack.Line) string { return pamstack.AuthErr })
			if wrong.Result == pamstack.Success {
				t.Fatalf("every module refuses, and the stack does not: %q", own)
			}
			if trace.Reached(pamstack.Module) && !strings.Contains(own+other, "pam_sallyport.so") {
				t.Fatalf("a module is reached that is not there: %q", own)
			}
		}
	})
}
