package daemon

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise clients-chsh.
func TestNoPasswordIsAskedForWhereItIsOfNoUse(t *testing.T) {
	for service, want := range map[string]string{"chsh": "The login shell of alice is kept on the server", "chfn": "The full name of alice is kept on the server", "su": ""} {
		h := newTestMachine(t)
		h.srv.set(t, token("alice", 1900000100), nil)
		h.online()
		conv := typing("secret")
		v := h.d.Decide(bg, identity.Login{Operation: identity.OpAuthenticate, Service: service, User: "alice"}, conv)
		if refused := want != ""; (v.Code == identity.Granted) == refused || (len(conv.prompts) == 0) != refused || !strings.HasPrefix(strings.Join(conv.told, ""), want) {
			t.Errorf("%s: %s, asked %q, told %q", service, v.Code, conv.prompts, conv.told)
		}
		x := h.d.Explain(bg, report.ExplainArgs{Name: "alice", Service: service}, true)
		if x.MayLogin == (want != "") {
			t.Errorf("explain %s: %+v", service, x.Steps)
		}
	}
}
