package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/store"
)

// cutOff ends the primary's database and its server.
func (b *branch) cutOff() {
	b.t.Helper()
	b.must(nil, b.full.Kill())
	b.must(nil, b.database.Kill())
}

// until waits for something, a minute at most.
func (b *branch) until(what string, is func() bool) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("it never comes true: %s: %s", what, b.reads.Log())
		}
	}
}

// TestALoginGoesOnAtABranchWhosePrimaryIsDead: the primary's database and server are gone.
// Promise reading-login.
func TestALoginGoesOnAtABranchWhosePrimaryIsDead(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	b.person("disabled", "")
	m := b.machine("box")
	b.must(b.admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "disabled", Disabled: true}))
	b.caughtUp()
	b.cutOff()
	if reply, err := login(t.Context(), m, "ada", ""); err != nil || reply.Outcome != provider.Allow {
		t.Fatalf("%+v, %v: %s", reply, err, b.reads.Log())
	}
	if reply, err := login(t.Context(), m, "disabled", ""); err != nil || reply.Outcome == provider.Allow {
		t.Errorf("who was disabled: %+v, %v", reply, err)
	}
	if names, _ := b.listed(m); len(names) != 2 {
		t.Errorf("listed: %v", names)
	}
}

// TestABranchCountsByItselfAndReports: wrong passwords lock at the branch, a code is good
// once, and a full server hears of both, each once.
// Promise reading-counts.
func TestABranchCountsByItselfAndReports(t *testing.T) {
	b := newBranch(t, true, 0)
	b.person("ada", codeKey)
	b.person("bob", "")
	m := b.machine("box")
	b.must(nil, b.realm.SealCodes(t.Context()))
	b.caughtUp()
	b.cutOff()
	code, err := totp.GenerateCode(codeKey, b.realm.Now())
	b.must(nil, err)
	answers := map[identity.FactorKind]string{identity.Password: password, identity.TOTP: code}
	if reply, err := once(t.Context(), m, "ada", answers); err != nil || reply.Outcome != provider.Allow {
		t.Fatalf("a code: %+v, %v: %s", reply, err, b.reads.Log())
	}
	if reply, err := once(t.Context(), m, "ada", answers); err != nil || reply.Outcome == provider.Allow {
		t.Errorf("the code a second time: %+v, %v", reply, err)
	}
	wrong := map[identity.FactorKind]string{identity.Password: "wrong"}
	for range 5 {
		if reply, err := once(t.Context(), m, "bob", wrong); err != nil || reply.Outcome == provider.Allow {
			t.Fatalf("a wrong password: %+v, %v", reply, err)
		}
	}
	if reply, err := login(t.Context(), m, "bob", ""); err != nil || reply.Outcome == provider.Allow || !reply.Locked {
		t.Errorf("after five wrong passwords: %+v, %v", reply, err)
	}
	b.must(nil, b.database.Run(t.Context()))
	b.must(nil, b.full.Start(t.Context()))
	b.until("the report arrives", func() bool { return b.rows("server.report") > 0 && b.reported() >= 7 })
	if n := b.failures("bob"); n != 4 {
		t.Errorf("a full server counts %d failures of bob: a report is to bring it next to a lock, and no further", n)
	}
	if n := b.failures("ada"); n != 1 {
		t.Errorf("a full server counts %d failures of ada's codes", n)
	}
	full := b.joined("another", b.full.URL)
	if reply, err := once(t.Context(), full, "ada", answers); err != nil || reply.Outcome == provider.Allow {
		t.Errorf("the code that was used at the branch: %+v, %v", reply, err)
	}
}

// TestAStandbyThatIsBehindSaysNothingFinal: it has not heard of a machine, an account and
// changes that others know.
// Promise reading-behind.
func TestAStandbyThatIsBehindSaysNothingFinal(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	m := b.machine("box")
	b.caughtUp()
	b.must(nil, b.standby.Freeze(t.Context()))
	b.person("new", "")
	_, ahead := b.listed(m)
	late := b.machine("late")
	b.must(late.Fetch(t.Context(), "new"))
	b.cutOff()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	err := m.Watch(ctx, ahead, nil, func(e provider.Event) error {
		if e.Kind == provider.Reset {
			t.Error("a machine that is ahead is told to list anew")
		}
		return nil
	})
	if !errors.Is(err, provider.ErrOffline) || ctx.Err() != nil {
		t.Errorf("a machine that is ahead: %v", err)
	}
	if _, err := m.Fetch(ctx, "new"); !errors.Is(err, provider.ErrOffline) {
		t.Errorf("an account that the standby does not know: %v", err)
	}
	if reply, err := login(ctx, m, "new", ""); err == nil {
		t.Errorf("a login of an account that the standby does not know: %+v", reply)
	}
	if _, err := login(ctx, late, "ada", ""); err == nil || errors.Is(err, provider.ErrRefusedMachine) {
		t.Errorf("a machine that the standby does not know: %v", err)
	}
	if reply, err := login(ctx, m, "ada", ""); err != nil || reply.Outcome != provider.Allow {
		t.Errorf("whom it knows: %+v, %v", reply, err)
	}
}

// TestAStandbyThatHeardNothingForTooLongServesNobody.
// Promise reading-lag.
func TestAStandbyThatHeardNothingForTooLongServesNobody(t *testing.T) {
	b := newBranch(t, false, time.Second)
	b.person("ada", "")
	m := b.machine("box")
	b.caughtUp()
	b.cutOff()
	b.until("nobody is let in", func() bool {
		_, err := login(t.Context(), m, "ada", "")
		return err != nil
	})
	if !strings.Contains(b.reads.Log(), "has heard nothing of its primary") {
		t.Error(b.reads.Log())
	}
}

// TestAPromotedStandbyIsStillOnlyRead, and the server says so. A removed server lets nobody in
// any more.
// Promise reading-removed.
func TestAPromotedStandbyIsStillOnlyRead(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	m := b.machine("box")
	b.caughtUp()
	signed := b.signedAtBranch("ada")
	b.must(m.Verify(signed))
	b.must(b.full.Admin(t.Context(), "", "server", "remove", b.id))
	b.must(once(t.Context(), m, "ada", map[identity.FactorKind]string{identity.Password: password}))
	b.caughtUp()
	b.until("the branch says that it is out", func() bool { return strings.Contains(b.reads.Log(), "it is not admitted yet, or was removed") })
	if _, err := b.joined("other", b.reads.URL).Fetch(t.Context(), "ada"); err == nil {
		t.Error("a server that was removed gives out tokens")
	}
	fresh := b.machine("fresh")
	b.must(fresh.Fetch(t.Context(), "ada"))
	if _, err := fresh.Verify(signed); !errors.Is(err, identity.ErrToken) {
		t.Errorf("what a removed server signed: %v", err)
	}
	b.cutOff()
	b.must(nil, b.standby.Promote(t.Context()))
	b.until("the branch says that it is no standby", func() bool { return strings.Contains(b.reads.Log(), "is no standby") })
	if out, err := b.reads.Admin(t.Context(), "", "account", "add", "bob"); err == nil || !strings.Contains(out, "only reads") {
		t.Errorf("a change: %s, %v", out, err)
	}
}

// TestAFullServerRefusesAStandby, and says what to do.
func TestAFullServerRefusesAStandby(t *testing.T) {
	b := newBranch(t, false, 0)
	out, err := b.reads.Admin(t.Context(), "", "server", "list")
	if err != nil || !strings.Contains(out, "read-only") || !strings.Contains(out, "this one") {
		t.Errorf("server list: %s, %v", out, err)
	}
	dir := t.TempDir() + "/wrong"
	p := &Process{Binary: b.full.Binary, Dir: dir}
	out, err = p.Admin(t.Context(), "", "init", "--database", b.standby.Same(b.realm.Settings.Database), "--seal-key", b.full.SealKey(), "--listen", "127.0.0.1:0")
	if err == nil || !strings.Contains(out, "is a standby") || !strings.Contains(out, "--read-only") {
		t.Errorf("%s, %v", out, err)
	}
}

// consoleIsOfFullServers: what is done on the console's pages is a change.
func (b *branch) consoleIsOfFullServers() {
	b.t.Helper()
	on := true
	b.must(b.admin.SetRealm(b.t.Context(), &v1.SetRealmRequest{Console: &on}))
	b.caughtUp()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for url, want := range map[string]int{b.full.URL: http.StatusOK, b.reads.URL: http.StatusServiceUnavailable} {
		q, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, url+"/console/", nil)
		b.must(nil, err)
		resp, err := client.Do(q)
		b.must(nil, err)
		if b.must(nil, resp.Body.Close()); resp.StatusCode != want {
			b.t.Errorf("the console of %s: %s", url, resp.Status)
		}
	}
}

// TestABranchChangesNothing: each verb that would is refused there, nothing was done, and a
// machine that knows a full server gets it done at that one.
// Promise reading-changes.
func TestABranchChangesNothing(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	b.consoleIsOfFullServers()
	alone, both := b.joined("box", b.reads.URL), b.joined("desk", b.reads.URL, b.full.URL)
	key := sealingKey(t)
	word := func(s string) identity.Secret { return identity.NewSecret([]byte(s)) }
	begin := func(p *sallyport.Provider, a provider.Attempt) error {
		a.Name, a.Service, a.Origin = "ada", "test", identity.Seat()
		_, _, err := p.Begin(t.Context(), a)
		return err //nolint:wrapcheck // a test
	}
	for name, do := range map[string]func(*sallyport.Provider) error{
		"a new code":       func(p *sallyport.Provider) error { return begin(p, provider.Attempt{Enrol: identity.TOTP}) },
		"new backup codes": func(p *sallyport.Provider) error { return begin(p, provider.Attempt{Enrol: identity.BackupCode}) },
		"a code less":      func(p *sallyport.Provider) error { return begin(p, provider.Attempt{Remove: identity.TOTP}) },
		"a sealing key":    func(p *sallyport.Provider) error { return p.SetSealingKey(t.Context(), key) },
		"losses":           func(p *sallyport.Provider) error { return p.ReportLost(t.Context(), [][]byte{{1}}) },
		"a password": func(p *sallyport.Provider) error {
			_, err := p.ChangePassword(t.Context(), "ada", identity.Seat(), word(password), word(""), word("another long password"))
			return err //nolint:wrapcheck // a test
		},
	} {
		if err := do(alone); !errors.Is(err, provider.ErrOffline) || !strings.Contains(err.Error(), "only reads") || errors.As(err, new(*provider.AnewError)) {
			t.Errorf("%s at the branch: %v", name, err)
		}
		if err := do(both); err != nil {
			t.Errorf("%s with a full server behind: %v", name, err)
		}
	}
	// A machine of before says no forms that know such servers.
	before := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer before.CloseIdleConnections()
	_, err := sallyportv1connect.NewRealmServiceClient(before, b.reads.URL).Describe(t.Context(), &v1.DescribeRequest{})
	if connect.CodeOf(err) != connect.CodeUnavailable || !strings.Contains(err.Error(), "too old") {
		t.Errorf("a machine of an older release: %v", err)
	}
	m, err := b.admin.AddMachine(t.Context(), &v1.NameRequest{Name: "third"})
	b.must(nil, err)
	b.caughtUp()
	if _, err := sallyport.Join(t.Context(), sallyport.Server{URL: b.reads.URL}, m.GetCode(), m.GetFingerprint()); err == nil {
		t.Error("a machine joins at the branch")
	}
	for _, command := range []string{"account add x", "account disable ada", "account unlock ada", "machine add x", "machine remove box", "keys rotate", "keys sign", "group add x", "server remove " + b.id} {
		if out, err := b.reads.Admin(t.Context(), "", strings.Fields(command)...); err == nil || !strings.Contains(out, "only reads") {
			t.Errorf("%s at the branch: %s, %v", command, out, err)
		}
	}
}

// TestWhatABranchSignsProvesNoLoss: its key signs a token of changes that nobody knows, which
// by a full server's key would make the realm begin a new history.
// Promise reading-signs.
func TestWhatABranchSignsProvesNoLoss(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	m := b.machine("box")
	token, err := m.Verify(b.signedAtBranch("ada"))
	b.must(nil, err)
	token.History, token.Revision, token.Account.UUID, token.Account.UID = uuid.New(), token.Revision+1<<40, uuid.New(), token.Account.UID+77
	forged, err := b.readsKey().SignIDToken(token)
	b.must(nil, err)
	b.must(m.Verify(forged)) // it lets in
	before, err := b.admin.ListHistories(t.Context(), &v1.ListRequest{})
	b.must(nil, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_, at := b.listed(m)
	_ = m.Watch(ctx, at, forged, func(e provider.Event) error {
		if e.Kind == provider.CaughtUp {
			stop()
		}
		return nil
	})
	b.must(nil, m.ReportLost(t.Context(), [][]byte{forged}))
	after, err := b.admin.ListHistories(t.Context(), &v1.ListRequest{})
	b.must(nil, err)
	if !proto.Equal(before, after) {
		t.Errorf("by a word of the branch the realm is another: %v, then %v", before, after)
	}
	for _, action := range []string{"realm.loss", "realm.reserve-ids"} {
		if b.rows(action) != 0 {
			t.Errorf("%s by a word of the branch", action)
		}
	}
}

// TestAReportCountsOnceAndLocksNobody: a taken-over branch may say what it likes.
// Promise reading-reports.
func TestAReportCountsOnceAndLocksNobody(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", codeKey)
	b.person("bob", "")
	m := b.machine("box")
	list, err := b.admin.ListMachines(t.Context(), &v1.ListRequest{})
	b.must(nil, err)
	box := list.GetMachines()[0].GetUuid()
	account := b.account("ada")
	now := time.Now()
	req := &v1.ReportRequest{}
	for i := range 200 {
		req.Entries = append(req.Entries, &v1.Reported{
			Seq: int64(i) + 1, Made: timestamppb.New(now), Name: "bob", Kind: string(identity.Password), Machine: box, Origin: identity.Seat().String(),
		})
	}
	req.Entries = append(req.Entries, &v1.Reported{Seq: 201, Made: timestamppb.New(now), Name: "ada", Account: account, Epoch: b.codeEpoch("ada"), Step: now.Unix()/30 + 1})
	for i := range 2 { // of these it is told by the count if they count twice
		req.Entries = append(req.Entries, &v1.Reported{
			Seq: int64(i) + 202, Made: timestamppb.New(now), Name: "ada", Kind: string(identity.Password), Machine: box, Origin: identity.Seat().String(),
		})
	}
	for range 2 {
		resp, err := b.report(req)
		b.must(nil, err)
		if resp.GetUpTo() != 203 {
			t.Errorf("%v", resp)
		}
	}
	if b.rows("server.report") != 1 || b.reported() != 202 || b.failures("ada") != 2 {
		t.Errorf("%d reports with %d entries that count, %d failures of ada", b.rows("server.report"), b.reported(), b.failures("ada"))
	}
	if reply, err := login(t.Context(), m, "bob", ""); err != nil || reply.Outcome != provider.Allow {
		t.Errorf("200 failures that a branch made up: %+v, %v", reply, err)
	}
	code, err := totp.GenerateCode(codeKey, time.Now())
	b.must(nil, err)
	if reply, err := login(t.Context(), m, "ada", code); err != nil || reply.Outcome != provider.Allow {
		t.Errorf("a code whose secret the branch does not hold: %+v, %v", reply, err)
	}
	b.must(b.full.Admin(t.Context(), "", "server", "remove", b.id))
	req.Entries[0].Seq = 300
	if _, err := b.report(req); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("a report of a server that was removed: %v", err)
	}
}

// signedAtBranch is what the branch signs of somebody.
func (b *branch) signedAtBranch(name string) []byte {
	b.t.Helper()
	r, err := b.joined("at-"+name, b.reads.URL).Fetch(b.t.Context(), identity.Name(name))
	b.must(nil, err)
	return r.Signed
}

// rows counts those of the audit log of that action.
func (b *branch) rows(action string) (n int) {
	b.t.Helper()
	log, err := b.admin.ListAudit(b.t.Context(), &v1.ListAuditRequest{})
	b.must(nil, err)
	for _, r := range log.GetRows() {
		if r.GetAction() == action {
			n++
		}
	}
	return n
}

// reported counts the failures and codes that full servers were told of.
func (b *branch) reported() (n int) {
	b.t.Helper()
	log, err := b.admin.ListAudit(b.t.Context(), &v1.ListAuditRequest{})
	b.must(nil, err)
	for _, r := range log.GetRows() {
		n += countsOf(r.GetAction(), r.GetDetail())
	}
	return n
}

// failures is the highest count of somebody's at the full server.
func (b *branch) failures(name string) (n uint32) {
	b.t.Helper()
	b.must(nil, b.realm.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		list, err := tx.Failures(identity.Name(name))
		for _, f := range list {
			if f.Origin != "" {
				n = max(n, f.Count)
			}
		}
		return err
	}))
	return n
}
