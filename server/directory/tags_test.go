package directory

import (
	"fmt"
	"slices"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise machine-tags.
func TestMachinesHaveTheTagsThatTheyWereGiven(t *testing.T) {
	b := servertest.New(t)
	d := New(b.Realm, nil)
	resp, err := b.Admin.AddToken(t.Context(), &v1.AddTokenRequest{Name: "rollout", Count: 2, Seconds: 3600, Tags: &v1.Tags{Words: []string{"web", "berlin", "web"}}})
	b.Must(nil, err)
	key := newKey(t)
	_, err = d.Join(as(t, "192.0.2.1", key), &v1.JoinRequest{Code: resp.GetCode(), PublicKey: key, Name: "web1"})
	b.Must(nil, err)
	tags := func(when string, want ...string) {
		t.Helper()
		list, err := b.Admin.ListMachines(t.Context(), &v1.ListRequest{})
		b.Must(nil, err)
		for _, m := range list.GetMachines() {
			if m.GetName() == "web1" != (len(m.GetTags()) > 0) && len(want) > 0 || m.GetName() == "web1" && !slices.Equal(m.GetTags(), want) {
				t.Errorf("%s: %s has %q", when, m.GetName(), m.GetTags())
			}
		}
	}
	tags("joined by the token", "berlin", "web")
	b.Must(b.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "web1"}))
	tags("after a change of nothing", "berlin", "web")
	for what, words := range map[string][]string{"a space": {"a b"}, "nothing": {""}, "a line": {"a\nb"}, "too many": many(store.MaxTags + 1)} {
		_, err := b.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "web1", Tags: &v1.Tags{Words: words}})
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s is a tag: %v", what, err)
		}
	}
	tags("after what was refused", "berlin", "web")
	b.Must(b.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "web1", Tags: &v1.Tags{Words: []string{"db"}}}))
	tags("given another", "db")
	b.Must(b.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "web1", Tags: &v1.Tags{}}))
	tags("taken away")
}

// many are so many words.
func many(n int) []string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("x%d", i)
	}
	return words
}
