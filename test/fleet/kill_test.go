package fleet

import (
	"fmt"
	"testing"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

const codeKey = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// TestALoginWhoseServerIsKilledEndsAtAnother: kill -9 before each step.
// Promise fleet-kill.
func TestALoginWhoseServerIsKilledEndsAtAnother(t *testing.T) {
	r := newRig(t)
	r.person("ada", codeKey)
	var m *sallyport.Provider
	steps := []identity.FactorKind{identity.Password, identity.TOTP}
	for killedBefore := range steps {
		m = r.machine(fmt.Sprintf("box%d", killedBefore), 0)                  // it begins at the first server
		r.must(r.admin.RemoveTOTP(t.Context(), &v1.NameRequest{Name: "ada"})) // so that a code of now is a fresh one
		r.must(r.admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "ada", Secret: []byte(codeKey)}))
		code, err := totp.GenerateCode(codeKey, r.realm.Now())
		r.must(nil, err)
		answers := map[identity.FactorKind]string{identity.Password: password, identity.TOTP: code}
		e, reply, err := m.Begin(t.Context(), provider.Attempt{Name: "ada", Service: "test", Origin: identity.Seat()})
		r.must(nil, err)
		for i, kind := range steps {
			if i == killedBefore {
				r.must(nil, r.servers[0].Kill())
			}
			reply, err = e.Step(t.Context(), provider.Answer{Kind: kind, Credential: identity.NewSecret([]byte(answers[kind]))})
			if err != nil {
				break
			}
		}
		if err == nil {
			t.Fatalf("killed before step %d: %+v", killedBefore, reply)
		}
		again, err := once(t.Context(), m, "ada", answers)
		if err != nil || again.Outcome != provider.Allow {
			t.Errorf("killed before step %d, then begun anew: %+v, %v", killedBefore, again, err)
		}
		r.must(nil, r.servers[0].Start(t.Context()))
	}
	r.must(r.admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "ada", Disabled: true}))
	if reply, err := login(t.Context(), m, "ada", ""); err != nil || reply.Outcome == provider.Allow {
		t.Errorf("disabled: %+v, %v", reply, err)
	}
}

// TestWhatWasAcknowledgedOutlivesACrashOfTheDatabase: it is killed right after each answer,
// so that what it has in its memory alone is lost. It goes red where commits are
// acknowledged before they are written (synchronous_commit=off); what a power cut could
// lose of what is written it cannot see.
// Promise fleet-kill.
func TestWhatWasAcknowledgedOutlivesACrashOfTheDatabase(t *testing.T) {
	r := newRig(t)
	m := r.machine("box", 0)
	for n := range 5 {
		name := fmt.Sprintf("ada%d", n)
		r.person(name, codeKey)
		code, err := totp.GenerateCode(codeKey, r.realm.Now())
		r.must(nil, err)
		reply, err := login(t.Context(), m, name, code)
		if err != nil || reply.Outcome != provider.Allow {
			t.Fatalf("%+v, %v", reply, err)
		}
		r.must(nil, r.database.Kill())
		r.must(nil, r.database.Run(t.Context()))
		again, err := login(t.Context(), m, name, code)
		if again.Outcome == provider.Allow || err != nil {
			t.Errorf("after the crash the same code of %s: %+v, %v", name, again, err)
		}
		if _, err := r.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: name}); err != nil {
			t.Errorf("%s was made and is not there: %v", name, err)
		}
	}
}
