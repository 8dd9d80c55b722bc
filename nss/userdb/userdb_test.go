package userdb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
	"github.com/sallyport-auth/sallyport/nss/userdb"
	"github.com/sallyport-auth/sallyport/wire"
)

const (
	adaRecord  = `{"parameters":{"record":{"userName":"ada","realName":"Person ada","disposition":"regular","service":"io.sallyport","uid":1879048192,"gid":1879048192,"homeDirectory":"/home/ada","shell":"/bin/bash","memberOf":["ada","crew","sudo"]},"incomplete":true}}`
	crewRecord = `{"parameters":{"record":{"groupName":"crew","disposition":"regular","service":"io.sallyport","gid":1879049000,"members":["ada","bob"]},"incomplete":true}}`
	none       = `{"parameters":{},"error":"io.systemd.UserDatabase.NoRecordFound"}`
	cannotTell = `{"parameters":{},"error":"io.systemd.UserDatabase.ServiceNotAvailable"}`
)

func TestEveryCallHasTheAnswerThatTheAPISays(t *testing.T) {
	h := newHouse(t)
	write(t, h.file, true)
	pair := func(u, g string, more bool) string {
		c := ""
		if more {
			c = `,"continues":true`
		}
		return fmt.Sprintf(`{"parameters":{"userName":%q,"groupName":%q}%s}`, u, g, c)
	}
	for call, want := range map[string]string{
		get("GetUserRecord", `"userName":"ada"`, false):                     adaRecord,
		get("GetUserRecord", `"userName":"ada"`, true):                      adaRecord,
		get("GetUserRecord", `"userName":"Ada@Example"`, false):             strings.Replace(adaRecord, `"ada",`, `"ada","aliases":["Ada@Example"],`, 1),
		get("GetUserRecord", `"uid":1879048192`, false):                     adaRecord,
		get("GetUserRecord", `"uid":1879048192,"userName":"ada"`, false):    adaRecord,
		get("GetUserRecord", `"uid":1879048193,"userName":"ada"`, false):    `{"parameters":{},"error":"io.systemd.UserDatabase.ConflictingRecordFound"}`,
		get("GetUserRecord", `"userName":"carol"`, false):                   none,
		get("GetUserRecord", `"userName":"root"`, false):                    none,
		get("GetUserRecord", `"userName":"a b"`, false):                     none,
		get("GetUserRecord", `"userName":""`, false):                        none,
		get("GetUserRecord", `"uid":0`, false):                              none,
		get("GetUserRecord", `"uid":61200`, false):                          none,
		get("GetUserRecord", `"uid":4294967295`, false):                     none,
		get("GetUserRecord", `"uid":1879048999`, false):                     none,
		get("GetUserRecord", `"uid":-1`, false):                             `{"parameters":{"parameter":"uid"},"error":"org.varlink.service.InvalidParameter"}`,
		get("GetUserRecord", `"uid":"0"`, false):                            `{"parameters":{"parameter":"uid"},"error":"org.varlink.service.InvalidParameter"}`,
		get("GetUserRecord", `"uidMin":1000`, false):                        `{"parameters":{"parameter":"uidMin"},"error":"org.varlink.service.InvalidParameter"}`,
		get("GetUserRecord", ``, false):                                     `{"parameters":{},"error":"org.varlink.service.ExpectedMore"}`,
		get("GetGroupRecord", `"groupName":"crew"`, false):                  crewRecord,
		get("GetGroupRecord", `"gid":1879049000`, false):                    crewRecord,
		get("GetGroupRecord", `"gid":1879049001,"groupName":"crew"`, false): `{"parameters":{},"error":"io.systemd.UserDatabase.ConflictingRecordFound"}`,
		get("GetGroupRecord", `"groupName":"sudo"`, false):                  none,
		get("GetGroupRecord", `"gid":27`, false):                            none,
		get("GetMemberships", `"userName":"ada"`, true):                     pair("ada", "ada", true) + "\n" + pair("ada", "crew", true) + "\n" + pair("ada", "sudo", false),
		get("GetMemberships", `"groupName":"crew"`, true):                   pair("ada", "crew", true) + "\n" + pair("bob", "crew", false),
		get("GetMemberships", `"userName":"bob","groupName":"crew"`, false): pair("bob", "crew", false),
		get("GetMemberships", `"userName":"bob","groupName":"sudo"`, false): none,
		get("GetMemberships", `"userName":"carol"`, true):                   none,
		get("GetMemberships", `"groupName":"sudo"`, true):                   none,
		get("GetMemberships", `"groupName":"crew"`, false):                  `{"parameters":{},"error":"org.varlink.service.ExpectedMore"}`,
		`{"method":"io.systemd.UserDatabase.GetUserRecord"}`:                `{"parameters":{},"error":"io.systemd.UserDatabase.BadService"}`,
		strings.ReplaceAll(get("GetUserRecord", "", true), "port", "y"):     `{"parameters":{},"error":"io.systemd.UserDatabase.BadService"}`,
		get("SetUserRecord", "", false):                                     `{"parameters":{"method":"io.systemd.UserDatabase.SetUserRecord"},"error":"org.varlink.service.MethodNotFound"}`,
		`{"method":"io.systemd.Home.Go"}`:                                   `{"parameters":{"interface":"io.systemd.Home"},"error":"org.varlink.service.InterfaceNotFound"}`,
		`{"method":"nothing"}`:                                              `{"parameters":{"interface":""},"error":"org.varlink.service.InterfaceNotFound"}`,
	} {
		if got := h.call(call); got != want {
			t.Errorf("%s\n got %s\nwant %s", call, got, want)
		}
	}
	if got := h.call(get("GetUserRecord", "", true)); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, adaRecord[:len(adaRecord)-1]+`,"continues":true}`) {
		t.Errorf("all users: %s", got)
	}
	for _, m := range []string{"GetGroupRecord", "GetMemberships"} {
		want := map[string]int{"GetGroupRecord": 3, "GetMemberships": 4}[m] // private groups count: ada is in ada
		if got := strings.Count(h.call(get(m, "", true)), "\n") + 1; got != want {
			t.Errorf("%s of all: %d", m, got)
		}
	}
	for _, call := range []string{`{"method":"org.varlink.service.GetInfo"}`, `{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.systemd.UserDatabase"}}`} {
		if got := h.call(call); !strings.Contains(got, "io.systemd.UserDatabase") || strings.Contains(got, "error\":") {
			t.Errorf("%s: %s", call, got)
		}
	}
}

func TestWhoIsLocalIsNeverAnsweredEvenIfTheFileHasThem(t *testing.T) {
	h := newHouse(t)
	write(t, h.file, true)
	h.put(h.passwd, "ada:x:1000:1000::/:/bin/sh\nother:x:1879048193:1::/:/bin/sh\n")
	h.put(h.group, "crew:x:1000:\n")
	for _, call := range []string{
		get("GetUserRecord", `"userName":"ada"`, false), get("GetUserRecord", `"uid":1879048192`, false), get("GetUserRecord", `"userName":"bob"`, false),
		get("GetUserRecord", "", true), get("GetGroupRecord", `"groupName":"crew"`, false), get("GetMemberships", `"groupName":"crew"`, true), get("GetMemberships", `"userName":"bob"`, true),
	} {
		if got := h.call(call); got != none {
			t.Errorf("%s: %s", call, got)
		}
	}
	_ = os.Remove(h.passwd) // who cannot see what is local says nothing
	if got := h.call(get("GetUserRecord", `"userName":"ada"`, false)); got != cannotTell {
		t.Errorf("without passwd(5): %s", got)
	}
}

func TestNoSuchRecordIsOnlySaidWithAuthority(t *testing.T) {
	h := newHouse(t)
	carol := get("GetUserRecord", `"userName":"carol"`, false)
	for _, call := range []string{carol, get("GetUserRecord", "", true), get("GetGroupRecord", `"gid":1879049000`, false)} {
		if got := h.call(call); got != cannotTell {
			t.Errorf("without file and daemon: %s: %s", call, got)
		}
	}
	write(t, h.file, false)
	if got := h.call(carol); got != cannotTell {
		t.Errorf("not in a file that may lack somebody: %s", got)
	}
	if got := h.call(get("GetUserRecord", `"userName":"ada"`, false)); got != adaRecord {
		t.Errorf("in the file: %s", got)
	}
	m, err := snapshot.OpenMarks(h.file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, h.file, true)
	m.Supersede()
	if got := h.call(carol); got != none {
		t.Errorf("after a newer file that says so: %s", got)
	}
}

// fake is a daemon that answers each connection's questions with what it is given.
func (h *house) fake(answers map[wire.Type][]*wire.Message) {
	h.t.Helper()
	l, err := wire.Listen(h.lookup, 0o666)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		_ = wire.Serve(ctx, l, wire.Door{
			Limits: wire.Limits{Open: 99, PerUser: 99}, Log: slog.New(slog.DiscardHandler),
			Full: func(context.Context, *wire.Conn, identity.Peer) {},
			Handle: func(ctx context.Context, c *wire.Conn, _ identity.Peer) {
				m, err := c.Receive(ctx)
				if err != nil {
					return
				}
				for _, a := range answers[m.Type] {
					_ = c.Send(ctx, a)
				}
				if answers[m.Type] == nil { // it hangs
					<-ctx.Done()
				}
			},
		})
	})
	h.t.Cleanup(func() { cancel(); ended.Wait() })
}

func TestTheDaemonIsAskedForWhatTheFileCannotDecide(t *testing.T) {
	h := newHouse(t)
	write(t, h.file, false)
	h.fake(map[wire.Type][]*wire.Message{
		wire.GetAccountByName: {wire.New(wire.Working), wire.New(wire.Account).AddString(wire.Name, "carol").AddNumbers(wire.UID, 1879048200).AddNumbers(wire.GID, 1879048200).
			AddString(wire.FullName, "").AddString(wire.Home, "/home/carol").AddString(wire.Shell, "/bin/sh")},
		wire.GetGroupsOf:     {wire.New(wire.Groups).AddNumbers(wire.GIDs, crewID)},
		wire.GetAccountByUID: {wire.New(wire.Working), wire.New(wire.NotFound)},
		wire.GetGroupByName: {
			wire.New(wire.Group).AddString(wire.Name, "late").AddNumbers(wire.GID, 1879049500).AddString(wire.Member, "carol").AddNumbers(wire.More, 1),
			wire.New(wire.Group).AddString(wire.Name, "late").AddNumbers(wire.GID, 1879049500).AddString(wire.Member, "dora"),
		},
		wire.GetGroupByGID: {wire.New(wire.Group).AddString(wire.Name, "wheel").AddNumbers(wire.GID, 10)},
	})
	for call, want := range map[string]string{
		get("GetUserRecord", `"userName":"carol"`, false):  `{"parameters":{"record":{"userName":"carol","disposition":"regular","service":"io.sallyport","uid":1879048200,"gid":1879048200,"homeDirectory":"/home/carol","shell":"/bin/sh","memberOf":["crew"]},"incomplete":true}}`,
		get("GetUserRecord", `"uid":1879048201`, false):    none,
		get("GetGroupRecord", `"groupName":"late"`, false): `{"parameters":{"record":{"groupName":"late","disposition":"regular","service":"io.sallyport","gid":1879049500,"members":["carol","dora"]},"incomplete":true}}`,
		get("GetGroupRecord", `"gid":1879049501`, false):   cannotTell, // an id that no directory may have
		get("GetUserRecord", `"userName":"a b"`, false):    none,
	} {
		if got := h.call(call); got != want {
			t.Errorf("%s\n got %s\nwant %s", call, got, want)
		}
	}
}

func TestAnAccountOfTheDaemonsThatBreaksARuleIsNotShown(t *testing.T) {
	for name, uid := range map[string]uint32{"carol": 0, "carol:x": 1879048200, "Carol": 1879048200} {
		h := newHouse(t)
		write(t, h.file, false)
		h.fake(map[wire.Type][]*wire.Message{
			wire.GetAccountByUID: {wire.New(wire.Account).AddString(wire.Name, name).AddNumbers(wire.UID, uid).AddNumbers(wire.GID, 1879048200).
				AddString(wire.FullName, "").AddString(wire.Home, "/home/carol").AddString(wire.Shell, "/bin/sh")},
			wire.GetGroupsOf: {wire.New(wire.Groups).AddNumbers(wire.GIDs, crewID)},
		})
		if got := h.call(get("GetUserRecord", `"uid":1879048200`, false)); got != cannotTell {
			t.Errorf("%s with uid %d: %s", name, uid, got)
		}
	}
}

func TestADaemonThatHangsChangesNothingForTheKnown(t *testing.T) {
	h := newHouse(t)
	write(t, h.file, false)
	h.fake(nil)
	if got := h.call(get("GetUserRecord", `"userName":"ada"`, false)); got != adaRecord {
		t.Errorf("ada: %s", got)
	}
	// It may take an hour once it has said that it works on it; only that it says nothing
	// ends this.
	if got := h.call(get("GetUserRecord", `"userName":"carol"`, false)); got != cannotTell {
		t.Errorf("carol: %s", got)
	}
	// People and groups of the machine are not even asked for.
	h.put(h.passwd, "root:x:0:0::/:/bin/sh\nlocal:x:1000:1000::/:/bin/sh\n")
	h.put(h.group, "root:x:0:\nlocal:x:1000:\n")
	for _, call := range []string{
		get("GetUserRecord", `"userName":"local"`, false), get("GetUserRecord", `"uid":1000`, false), get("GetMemberships", `"userName":"local"`, true),
		get("GetGroupRecord", `"groupName":"local"`, false), get("GetGroupRecord", `"gid":1000`, false), get("GetMemberships", `"groupName":"root"`, true),
	} {
		if got := h.call(call); got != none {
			t.Errorf("%s: %s", call, got)
		}
	}
}

func TestWhatIsNoCallEndsItsConnectionAndNoOther(t *testing.T) {
	h := newHouse(t)
	write(t, h.file, true)
	other := h.dial()
	for _, bad := range []string{
		"\x00", "x\x00", "[]\x00", `{"method":1}` + "\x00", `{"method":""}` + "\x00", `{"method":"a.b","upgrade":true}` + "\x00",
		`{"method":"a.b","more":true,"oneway":true}` + "\x00", `{"method":"` + strings.Repeat("a", 70000) + `"}` + "\x00", strings.Repeat("[", 60000) + "\x00",
	} {
		c := h.dial()
		_, _ = io.WriteString(c, bad)
		if b, _ := io.ReadAll(c); len(b) > 0 {
			t.Errorf("%.40q was answered: %s", bad, b)
		}
	}
	cut := h.dial()
	_, _ = io.WriteString(cut, `{"method":`)
	_ = cut.(*net.UnixConn).CloseWrite()
	if b, _ := io.ReadAll(cut); len(b) > 0 {
		t.Errorf("half a call was answered: %s", b)
	}
	// One way: no answer to the first, one to the second.
	_, _ = io.WriteString(other, `{"method":"org.varlink.service.GetInfo","oneway":true}`+"\x00"+get("GetUserRecord", `"uid":0`, false)+"\x00")
	b, err := bufio.NewReader(other).ReadString(0)
	if err != nil || b != none+"\x00" {
		t.Errorf("the other connection: %q %v", b, err)
	}
}

func TestAServerThatNobodyAsksEnds(t *testing.T) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s := &userdb.Server{Log: slog.New(slog.DiscardHandler), Directory: &userdb.Directory{}, Idle: time.Millisecond}
	if err := s.Serve(t.Context(), l); err != nil {
		t.Error(err)
	}
}
