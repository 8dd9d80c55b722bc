package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

func (h *testMachine) refusal(name string) string {
	h.t.Helper()
	var s report.Status
	must(h.t, h.d.Handle(bg, identity.Peer{}, report.VerbStatus, nil, func(v any) error { s = v.(report.Status); return nil }))
	for _, r := range s.Providers[0].Refused {
		if r.Name == name {
			return r.Reason
		}
	}
	return ""
}

// Promise attack-local-system-group, reserved-names.
func TestNoNameOfTheSystemComesFromARealm(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.Reserved = []string{"mine"}
		h.policy.LocalGroups = map[string]uuid.UUID{"docker": uuid.MustParse("77777777-7777-4777-8777-777777777777")}
	})
	docker := identity.Group{UUID: uuid.MustParse("77777777-7777-4777-8777-777777777777"), Name: "docker", GID: 1900000077}
	h.srv.set(t, token("alice", 1900000100, docker), nil)
	h.srv.set(t, token("lxd", 1900000101), nil)
	h.srv.set(t, token("_chrony", 1900000102), nil)
	h.srv.set(t, token("mine", 1900000103), nil)
	h.local("group", "root:x:0:\ndocker:x:998:\n")
	h.online()
	for _, name := range []string{"lxd", "_chrony", "mine"} {
		h.expect(identity.UnknownUser, name, "secret")
		if why := h.refusal(name); !strings.Contains(why, "its name is reserved") {
			t.Errorf("%s: %q", name, why)
		}
	}
	h.expect(identity.Granted, "alice", "secret")
	if _, err := h.d.GroupByGID(bg, 1900000077); err == nil {
		t.Error("docker's gid is answered")
	}
	if why := h.refusal("group docker"); !strings.Contains(why, "[groups] local") {
		t.Errorf("group docker: %q", why)
	}
	gids, err := h.d.GroupsOf(bg, "alice")
	if err != nil || slices.Contains(gids.GIDs, 1900000077) || !slices.Contains(gids.Local, 998) {
		t.Errorf("groups %v, %v", gids, err)
	}
}

// Whoever owns a range of /etc/subuid can become every id in it.
// Promise attack-local-subuid, reserved-ids.
func TestAnIDThatIsSubordinateHereIsNobodys(t *testing.T) {
	for file, text := range map[string]string{
		"subuid": "local:1900000000:65536\n", "subgid": "# x\nlocal:1:1\nother:1900000100:1\n",
	} {
		for _, when := range []string{"before", "after"} {
			t.Run(file+" "+when, func(t *testing.T) {
				h := newTestMachine(t)
				h.srv.set(t, token("alice", 1900000100), nil)
				h.srv.set(t, token("bob", 1910000000), nil)
				if when == "before" {
					h.local(file, text)
				}
				h.online()
				if when == "after" {
					h.expect(identity.Granted, "alice", "secret")
					urgent := h.d.Revisions().Urgent
					h.local(file, text)
					h.d.LocalChanged()
					if h.d.Revisions().Urgent == urgent {
						t.Error("the loss is not told")
					}
				}
				h.expect(identity.NotOurs, "alice", "secret")
				if _, err := h.d.AccountByUID(bg, 1900000100); err == nil {
					t.Error("the uid is answered")
				}
				if why := h.refusal("alice"); !strings.Contains(why, "/etc/subuid") {
					t.Errorf("refused: %q", why)
				}
				h.expect(identity.Granted, "bob", "secret")
			})
		}
	}
}
