package auth

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/server/store"
)

// machineOf joins the bench's machine, with a key of its own to seal to.
func (b *bench) machineOf(name string) (store.Machine, *seal.File) {
	b.t.Helper()
	f, err := seal.CreateFile(filepath.Join(b.t.TempDir(), "seal.key"))
	b.must(nil, err)
	public, err := f.Public(b.t.Context())
	b.must(nil, err)
	b.must(b.admin.AddMachine(b.t.Context(), &v1.NameRequest{Name: name}))
	var m store.Machine
	b.must(nil, b.Store.Write(b.t.Context(), func(tx *store.Tx) (err error) {
		if m, err = tx.MachineByName(identity.Name(name)); err != nil {
			return err
		}
		_, err = tx.SetSealingKey(m.UUID, public)
		return err
	}))
	m.SealingKey = public
	return m, f
}

func (b *bench) policy(machine, group bool) {
	b.t.Helper()
	b.must(b.admin.SetMachine(b.t.Context(), &v1.SetMachineRequest{Name: string(b.box.Name), OfflineCodes: proto.Bool(machine)}))
	b.must(b.admin.SetGroup(b.t.Context(), &v1.SetGroupRequest{Name: "travellers", OfflineCodes: proto.Bool(group)}))
}

// travelling is a bench with a joined machine and alice, who holds a code, in a
// group.
func travelling(t *testing.T) (*bench, *seal.File) {
	b := newBench(t)
	var f *seal.File
	b.box, f = b.machineOf("laptop")
	b.totp()
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "travellers"}))
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "sales"}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "travellers", Member: "sales"}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "sales", Member: "alice"}))
	return b, f
}

func (b *bench) both(code string) answer {
	b.t.Helper()
	return b.answer(b.box, b.try("alice", right).cookie, identity.TOTP, code)
}

// Promise attack-machine-codes, otp-sealed-by-policy.
func TestASecretIsSealedOnlyWhereMachineAndGroupMay(t *testing.T) {
	for _, machine := range []bool{false, true} {
		for _, group := range []bool{false, true} {
			b, _ := travelling(t)
			b.policy(machine, group)
			a := b.both(b.code(0))
			if !a.allow || (len(a.sealed) == 1) != (machine && group) {
				t.Errorf("machine %t, group %t: %d sealed, allow %t", machine, group, len(a.sealed), a.allow)
			}
		}
	}
	for sentence, change := range map[string]func(b *bench){
		"nobody said anything": func(b *bench) {},
		"the person left the group": func(b *bench) {
			b.policy(true, true)
			b.must(b.admin.RemoveMember(t.Context(), &v1.MemberRequest{Group: "sales", Member: "alice"}))
		},
		"the group left the group": func(b *bench) {
			b.policy(true, true)
			b.must(b.admin.RemoveMember(t.Context(), &v1.MemberRequest{Group: "travellers", Member: "sales"}))
		},
		"the machine has no key": func(b *bench) { b.policy(true, true); b.box.SealingKey = nil },
	} {
		b, _ := travelling(t)
		change(b)
		if a := b.both(b.code(0)); !a.allow || len(a.sealed) != 0 {
			t.Errorf("%s: %d sealed, allow %t", sentence, len(a.sealed), a.allow)
		}
	}
	b, _ := travelling(t)
	b.policy(true, true)
	b.must(b.admin.RemoveMachine(t.Context(), &v1.NameRequest{Name: "laptop"}))
	if a := b.both(b.code(0)); a.allow || len(a.sealed) != 0 {
		t.Errorf("the machine is gone: %d sealed, allow %t", len(a.sealed), a.allow)
	}
}

// Promise attack-machine-secrets, otp-sealed-here.
func TestWhatIsSealedOpensOnThatMachineForThatPurposeOnly(t *testing.T) {
	b, f := travelling(t)
	b.policy(true, true)
	a := b.both(b.code(0))
	got := a.sealed[0]
	var account store.Account
	b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) (err error) { account, err = tx.AccountByName("alice"); return err }))
	info := identity.SealInfo(b.Name, b.box.UUID, account.UUID, identity.TOTP, got.epoch)
	secret, err := f.Open(t.Context(), info, got.blob)
	if err != nil || string(secret) != totpKey {
		t.Fatalf("%v", err)
	}
	if got.lastStep != b.unix.Load()/identity.TOTPPeriod {
		t.Errorf("last step %d", got.lastStep)
	}
	_, other := b.machineOf("another")
	if _, err := other.Open(t.Context(), info, got.blob); err == nil {
		t.Error("another machine reads it")
	}
	if _, err := f.Open(t.Context(), identity.SealInfo(b.Name, b.box.UUID, account.UUID, identity.TOTP, got.epoch+1), got.blob); err == nil {
		t.Error("another epoch will do")
	}
	if bytes.Contains(got.blob, []byte(totpKey)) {
		t.Error("it is not sealed")
	}
}

// Promise otp-sealed-by-policy.
func TestASecretIsSealedOnlyRightAfterACodeWasProvedAndIsAudited(t *testing.T) {
	b, _ := travelling(t)
	b.policy(true, true)
	for what, a := range map[string]answer{
		"password alone": b.try("alice", right), "wrong": b.both("000000"), "wrong password": b.try("alice", "wrong"),
	} {
		if len(a.sealed) != 0 {
			t.Errorf("%s: sealed", what)
		}
	}
	if rows := b.audited("totp.seal"); len(rows) != 0 {
		t.Fatal(rows)
	}
	b.both(b.code(0))
	rows := b.audited("totp.seal")
	if len(rows) != 1 || !strings.Contains(rows[0], "machine laptop") || !strings.Contains(rows[0], "alice") {
		t.Fatal(rows)
	}
	b.password("carol", right) // holds no code
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "sales", Member: "carol"}))
	if a := b.try("carol", right); !a.allow || len(a.sealed) != 0 {
		t.Fatalf("%+v", a)
	}
}

func (b *bench) audited(action string) (rows []string) {
	b.t.Helper()
	log, err := b.admin.ListAudit(b.t.Context(), &v1.ListAuditRequest{})
	b.must(nil, err)
	for _, r := range log.GetRows() {
		if r.GetAction() == action {
			rows = append(rows, r.GetActor()+" "+r.GetSubject()+" "+r.GetDetail())
		}
	}
	return rows
}

// Promise otp-once, otp-used-both.
func TestACodeThatAMachineTookByItselfIsUsed(t *testing.T) {
	b := newBench(t)
	b.totp()
	for used, want := range map[int64]string{-1: "allow", 0: "deny", 1: "deny"} {
		a, err := b.admit(&session{
			client: machineAsClient(b.box), name: "alice", usedStep: b.unix.Load()/identity.TOTPPeriod + used,
		})
		b.must(nil, err)
		c := b.answer(b.box, a.cookie, identity.Password, right).cookie
		if got := b.answer(b.box, c, identity.TOTP, b.code(0)); got.outcome() != want {
			t.Errorf("a step %d from now was used: %s, want %s", used, got.outcome(), want)
		}
		b.unix.Add(600)
	}
}

// TestAUsedCodeIsOfItsSecretAlone: who has just got a new secret may be at a machine that
// has not heard of it, and that used a code of the old one in this very half minute.
// Promise otp-used-both.
func TestAUsedCodeIsOfItsSecretAlone(t *testing.T) {
	b := newBench(t)
	b.totp()
	epoch := func() (n uint64) {
		b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
			held, err := tx.TOTP(b.uuid("alice"))
			n = held.Epoch
			return err
		}))
		return n
	}()
	for of, want := range map[uint64]string{0: "deny", epoch: "deny", epoch - 1: "allow", epoch + 1: "allow"} {
		a, err := b.admit(&session{
			client: machineAsClient(b.box), name: "alice", usedStep: b.unix.Load() / identity.TOTPPeriod, usedEpoch: of,
		})
		b.must(nil, err)
		c := b.answer(b.box, a.cookie, identity.Password, right).cookie
		if got := b.answer(b.box, c, identity.TOTP, b.code(0)); got.outcome() != want {
			t.Errorf("used by epoch %d, the account's is %d: %s, want %s", of, epoch, got.outcome(), want)
		}
		b.unix.Add(600)
	}
}

// Promise otp-counted.
func TestOneLineIsPasswordAndCodeOrAPassword(t *testing.T) {
	for sentence, c := range map[string]struct {
		totp     bool
		password string
		line     func(b *bench) string
		want     string
		failures uint32
		hashes   uint64
	}{
		"both right":                           {true, right, func(b *bench) string { return right + b.code(0) }, "allow", 0, 2},
		"the code is wrong":                    {true, right, func(*bench) string { return right + "000000" }, "deny", 1, 2},
		"the password is wrong":                {true, right, func(b *bench) string { return "wrong" + b.code(0) }, "deny", 1, 2},
		"no code":                              {true, right, func(*bench) string { return right }, "offer totp", 0, 1},
		"five digits":                          {true, right, func(*bench) string { return right + "12345" }, "deny", 1, 1},
		"only a code":                          {true, right, func(b *bench) string { return b.code(0) }, "deny", 1, 1},
		"a password that ends in digits":       {true, right + "123456", func(*bench) string { return right + "123456" }, "offer totp", 0, 2},
		"that one and a code":                  {true, right + "123456", func(b *bench) string { return right + "123456" + b.code(0) }, "allow", 0, 2},
		"no code is held":                      {false, right, func(*bench) string { return right + "123456" }, "deny", 1, 2},
		"no code is held, and digits are part": {false, right + "123456", func(*bench) string { return right + "123456" }, "allow", 0, 2},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := newBench(t)
			if c.totp {
				b.totp()
			}
			b.password("alice", c.password)
			before := b.hasher.computed.Load()
			got := b.answer(b.box, b.start("alice"), identity.PasswordAndTOTP, c.line(b))
			if n := b.hasher.computed.Load() - before; n != c.hashes {
				t.Errorf("%d hashes, want %d", n, c.hashes)
			}
			if got.outcome() != c.want {
				t.Errorf("%s, want %s", got.outcome(), c.want)
			}
			if n := b.failures("alice"); n != c.failures {
				t.Errorf("%d failures, want %d", n, c.failures)
			}
		})
	}
	b := newBench(t)
	for range originBrake.From {
		b.try("alice", "wrong")
	}
	if got := b.answer(b.box, b.start("alice"), identity.PasswordAndTOTP, right+b.code(0)); got.allow || !got.locked {
		t.Errorf("locked: %+v", got)
	}
}
