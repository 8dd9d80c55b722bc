package test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// deadline is what a login may take when the server is of no use: two questions
// of 4 s each, the two hashes, and a busy computer.
const deadline = 20 * time.Second

// offlineLogin asserts that ada gets in within the deadline, and is told.
func offlineLogin(t *testing.T, r *machine.Realm) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	o, err := r.SU(ctx, local, ada, adaPass)
	must(t, err)
	if !o.OK() || !strings.Contains(o.Screen, "Offline. Last checked") || !strings.Contains(o.Screen, machine.Proof(ada)) {
		t.Errorf("exit code %d:\n%s", o.Code, o.Screen)
	}
}

// noise writes what is neither TLS nor HTTP.
func noise(c net.Conn, done <-chan struct{}) {
	b := make([]byte, 64<<10)
	_, _ = rand.Read(b)
	_, _ = c.Write(b)
	<-done
}

func silence(_ net.Conn, done <-chan struct{}) { <-done }

// useless are servers at the right address that are of no use.
func useless() map[string]func(http.ResponseWriter, *http.Request) {
	body := func(code int, kind string, n int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			b := make([]byte, n)
			_, _ = rand.Read(b)
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			_, _ = w.Write(b)
		}
	}
	return map[string]func(http.ResponseWriter, *http.Request){
		"500":                          body(500, "text/plain", 10),
		"503 for everything":           body(503, "application/json", 0),
		"404 for everything":           body(404, "application/proto", 0),
		"garbage that says it is ours": body(200, "application/proto", 5000),
		"five megabytes of garbage":    body(200, "application/connect+proto", 5<<20),
		"a page of a hotel": func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "https://127.0.0.1:8443/login", http.StatusFound)
		},
		"no answer within TLS": func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() },
	}
}

func TestAServerThatIsOfNoUseCountsAsOffline(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	trusted := realmAuthority(t, r).certificate(t)
	must(t, r.Server.Stop(t.Context()))
	for name, h := range useless() {
		t.Run(name, func(t *testing.T) {
			i := take(t, trusted, http.HandlerFunc(h), nil)
			defer i.leave()
			offlineLogin(t, r)
			lets(t, ways(r, "root", rootPass)["su"], "root")
		})
	}
	for name, hello := range map[string]func(net.Conn, <-chan struct{}){"noise instead of TLS": noise, "silence": silence} {
		t.Run(name, func(t *testing.T) {
			i := take(t, trusted, nil, hello)
			defer i.leave()
			offlineLogin(t, r)
		})
	}
	t.Run("an unknown name is still answered", func(t *testing.T) {
		i := take(t, trusted, nil, silence)
		defer i.leave()
		if out, err := r.Run(t.Context(), "/usr/bin/getent", "passwd", "nobodyhere"); err == nil {
			t.Errorf("getent printed %q", out)
		}
	})
	t.Run("another's certificate is an alarm", func(t *testing.T) {
		i := take(t, newAuthority(t).certificate(t), http.NotFoundHandler(), nil)
		defer i.leave()
		offlineLogin(t, r)
		within(t, r, machine.Patience, func() error {
			if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "status"); err == nil || !strings.Contains(out, "ALARM") {
				return fmt.Errorf("status ends with %w and says:\n%s", err, out)
			}
			return nil
		})
		if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "doctor"); err == nil || !strings.Contains(out, "PROBLEM") || !strings.Contains(out, "not one that this machine trusts") {
			t.Errorf("doctor: %v\n%s", err, out)
		}
		if !strings.Contains(r.Daemon.Output.String(), "ALARM") {
			t.Error("the log does not tell")
		}
	})
	t.Run("the right server heals it all", func(t *testing.T) {
		must(t, r.StartServer(t.Context()))
		must(t, r.WaitOnline(t.Context()))
		if s := lets(t, ways(r, ada, adaPass)["su"], ada); strings.Contains(s, "Offline") {
			t.Errorf("still offline:\n%s", s)
		}
		if out := script(t, r, "sallyport status || true"); strings.Contains(out, "ALARM") {
			t.Errorf("the alarm stays:\n%s", out)
		}
	})
}

func TestALoginWhoseServerIsLostInTheMiddleGoesOnOffline(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	trusted := realmAuthority(t, r).certificate(t)
	t.Run("a server that is stopped dead", func(t *testing.T) {
		must(t, r.Server.Signal(syscall.SIGSTOP))
		offlineLogin(t, r)
		must(t, r.Server.Signal(syscall.SIGCONT))
		must(t, r.WaitOnline(t.Context()))
	})
	must(t, r.Server.Stop(t.Context()))
	for name, step := range map[string]func(context.Context) (*v1.StepResponse, error){
		"no answer": func(ctx context.Context) (*v1.StepResponse, error) { <-ctx.Done(); return nil, ctx.Err() },
		"a fault": func(context.Context) (*v1.StepResponse, error) {
			return nil, connect.NewError(connect.CodeInternal, nil)
		},
		"a dropped line": func(context.Context) (*v1.StepResponse, error) { panic(http.ErrAbortHandler) },
		"an unsigned yes": func(context.Context) (*v1.StepResponse, error) {
			return &v1.StepResponse{Outcome: v1.Outcome_OUTCOME_ALLOW}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			lies := newRealmOfLies(t)
			lies.list, lies.step = realmList(t, r), step
			i := take(t, trusted, lies.handler(), nil)
			defer i.leave()
			must(t, r.WaitOnline(t.Context())) // its change stream is fine
			offlineLogin(t, r)
			if lies.steps.Load() != 1 {
				t.Errorf("it was asked %d times", lies.steps.Load())
			}
		})
	}
	t.Run("but a no is a no", func(t *testing.T) {
		lies := newRealmOfLies(t)
		lies.list = realmList(t, r)
		i := take(t, trusted, lies.handler(), nil)
		defer i.leave()
		must(t, r.WaitOnline(t.Context()))
		keepsOut(t, ways(r, ada, adaPass)["su"])
	})
}

// person is a token that a realm of lies may sign.
func person(name string, id uint32) *identity.IDToken {
	return &identity.IDToken{
		Realm: machine.RealmName, State: identity.Active, ValidUntil: identity.Never, Revision: 1, OfflineFor: 3600,
		Account: identity.Account{UUID: uuid.New(), Name: identity.Name(name), UID: id, GID: id, Home: "/home/x", Shell: "/bin/sh"},
		Groups:  []identity.Group{{UUID: uuid.New(), Name: identity.Name(name), GID: id}},
		SSHKeys: []identity.SSHKey{{Tag: "k", Line: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBEVWXn7cYdTOw9WbbVxRVFSDWtY0P8ubNIZUiVo4CvI"}},
		Factors: []identity.Factor{{Kind: identity.Password, Epoch: 1}},
	}
}

func TestAServerMakesNoAccountThatAMachineCannotTake(t *testing.T) {
	r := joined(t)
	for _, words := range [][]string{
		{"account", "add", "zero", "--uid", "0"},
		{"account", "add", "system", "--uid", "999"},
		{"account", "add", "dynamic", "--uid", "61200"},
		{"account", "add", "nobody2", "--uid", "65534"},
		{"account", "add", "minus", "--uid", "4294967295"},
		{"account", "add", "over", "--uid", "4294967296"},
		{"account", "add", "negative", "--uid", "-1"},
		{"account", "add", "Upper"},
		{"account", "add", "a:b"},
		{"account", "add", "../x"},
		{"account", "add", "a\nb"},
		{"account", "add", strings.Repeat("a", 300)},
		{"account", "add", "1000"},
		{"account", "add", ""},
		{"account", "add", "shelly", "--shell", "/bin/sh\nroot::0:0::/:/bin/sh"},
		{"account", "add", "homey", "--home", "/home/../etc"},
		{"account", "add", "namey", "--full-name", "a:b"},
		{"group", "add", "zerog", "--gid", "0"},
		{"group", "add", "sudo:x"},
		{"group", "add", "minusg", "--gid", "4294967295"},
	} {
		if out, err := r.Admin(t.Context(), "", words...); err == nil {
			t.Errorf("%q was done: %s", words, out)
		}
	}
	if out := admin(t, r, "", "account", "list"); strings.Count(out, "\n") != 1 {
		t.Errorf("there are:\n%s", out)
	}
}

// Promise 4, kanidm-odd-parts.
func TestAMachineTakesNoAccountThatItMustNot(t *testing.T) {
	r := bare(t)
	lies := newRealmOfLies(t)
	bad := map[string]uint32{"zero": 0, "system": 999, "dynamic": 61200, "nobody2": 65534, "minus": 4294967295, "root": 0}
	for name, id := range bad {
		lies.tokens = append(lies.tokens, person(name, id))
	}
	const good = 1900000100
	disguised := person("root", good) // the name of root, with an id that may be
	moved := person("homeless", good+1)
	moved.Account.Home = "/home/x\nroot::0:0::/:/bin/sh"
	lies.tokens = append(lies.tokens, disguised, moved, person("a:b", good+2), person("../x", good+3), person("grace", good+4))
	a := newAuthority(t)
	fingerprint := lies.found(t, a, 1)
	take(t, a.certificate(t), lies.handler(), nil)
	_, err := r.Run(t.Context(), "/usr/bin/sallyport", r.JoinWords(t.Context(), "any", fingerprint)...)
	must(t, err)
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOnline(t.Context()))
	must(t, r.StartSSHD(t.Context()))

	t.Run("the others are there", func(t *testing.T) {
		if out := script(t, r, "getent passwd grace"); !strings.HasPrefix(out, "grace:x:1900000104:") {
			t.Errorf("getent printed %q", out)
		}
	})
	t.Run("an odd home costs the home", func(t *testing.T) {
		if out := script(t, r, "getent passwd homeless; getent passwd | grep -c '^root:'"); out != fmt.Sprintf("homeless:x:%d:%[1]d::/nonexistent:/bin/sh\n1\n", good+1) {
			t.Errorf("getent printed %q", out)
		}
	})
	t.Run("status lists them with the reason", func(t *testing.T) {
		out := script(t, r, "sallyport status || true")
		for name, id := range bad {
			if !strings.Contains(out, fmt.Sprintf("%s: token refused: account: id outside the allowed range: %d belongs to", name, id)) {
				t.Errorf("not %s:\n%s", name, out)
			}
		}
		if strings.Contains(out, "ALARM") {
			t.Errorf("an alarm:\n%s", out)
		}
	})
	t.Run("nobody finds them", func(t *testing.T) {
		for name, id := range bad {
			if name == "root" {
				continue
			}
			for _, cmd := range []string{"getent passwd " + name, "getent group " + name, "id " + name} {
				if out, err := r.Script(t.Context(), cmd); err == nil {
					t.Errorf("%s printed %s", cmd, out)
				}
			}
			if out, _ := r.Script(t.Context(), fmt.Sprintf("getent passwd %d; getent group %d", id, id)); strings.Contains(out, name) {
				t.Errorf("%d is %s", id, out)
			}
			if out, _ := r.Run(t.Context(), "/usr/bin/sallyport-keys", name); strings.Contains(out, "ssh-") {
				t.Errorf("keys of %s: %s", name, out)
			}
		}
	})
	t.Run("nor is one among all", func(t *testing.T) {
		out := script(t, r, "getent passwd; getent group")
		for name := range bad {
			if strings.Count(out, "\n"+name+":") > map[bool]int{true: 2}[name == "root"] {
				t.Errorf("%s is listed:\n%s", name, out)
			}
		}
	})
	t.Run("root is the machine's", func(t *testing.T) {
		if out := script(t, r, "getent passwd root; id -u root; sallyport-keys root"); !strings.HasPrefix(out, "root:x:0:0:") || strings.Contains(out, "ssh-") {
			t.Errorf("root is %s", out)
		}
		for name, try := range ways(r, "root", rootPass) {
			t.Run(name, func(t *testing.T) { lets(t, try, "root") })
		}
	})
}
