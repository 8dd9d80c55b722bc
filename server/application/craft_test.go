package application_test

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/server/application"
)

// party is a sender whose keys a test has.
type party struct {
	message.Party
	key message.Key
}

func (r *rig) private(file string, pass []byte) message.Key {
	r.T.Helper()
	b, err := os.ReadFile(file)
	r.Must(nil, err)
	k, err := message.ParsePrivate(b, pass, r.Now())
	r.Must(nil, err)
	return k
}

func (r *rig) realmKey() message.Key {
	r.T.Helper()
	b, err := os.ReadFile(filepath.Join(r.shipped, client.RealmKey))
	r.Must(nil, err)
	k, err := message.ParsePublic(b, r.Now())
	r.Must(nil, err)
	return k
}

func named(kind message.Kind, k message.Key) party {
	return party{message.Party{Kind: kind, Key: k.Fingerprint()}, k}
}

// application is the one that was shipped.
func (r *rig) application() party {
	r.T.Helper()
	return named(message.Application, r.private(filepath.Join(r.shipped, client.ApplicationKey), nil))
}

func (i instance) self() party {
	i.r.T.Helper()
	return named(message.Instance, i.r.private(filepath.Join(i.Folder, "instance.key"), nil))
}

func (i instance) person() party {
	i.r.T.Helper()
	return named(message.Person, i.r.private(filepath.Join(i.Folder, "person-alice.key"), []byte(passphrase)))
}

// crafted is a message that a test writes by itself.
type crafted struct {
	from   party
	e      message.Envelope
	signer message.Key
}

func (r *rig) craft(from party, purpose message.Purpose) *crafted {
	return &crafted{from, message.Envelope{
		Purpose: purpose, From: from.Party, To: message.Party{Kind: message.Realm, Key: r.realmKey().Fingerprint()},
		Request: message.NewRequest(), Time: r.Now().Unix(),
	}, from.key}
}

// signed is it as a person signs.
func (r *rig) signed(c *crafted, body any) []byte {
	r.T.Helper()
	text, err := c.e.Encode(body)
	r.Must(nil, err)
	b, err := message.Seal(text, c.signer, nil, r.Now())
	r.Must(nil, err)
	return b
}

func (r *rig) sealed(c *crafted, body any) []byte {
	r.T.Helper()
	text, err := c.e.Encode(body)
	r.Must(nil, err)
	realm := r.realmKey()
	b, err := message.Seal(text, c.signer, &realm, r.Now())
	r.Must(nil, err)
	return b
}

// answer sends a message, and reads what is answered: a cause where it is refused.
func (r *rig) answer(to party, sealed []byte) (message.Envelope, application.Cause) {
	r.T.Helper()
	b, status := r.service.Answer(r.T.Context(), sealed)
	if status != 200 {
		r.T.Fatalf("status %d", status)
	}
	m, err := message.Decrypt(b, to.key)
	if errors.Is(err, message.ErrMessage) {
		m, err = message.ReadSigned(b)
	}
	r.Must(nil, err)
	r.Must(nil, m.Verify(r.realmKey(), r.Now(), 0))
	e, err := message.Decode(m.Claims)
	r.Must(nil, err)
	if e.Purpose != message.Refused {
		return e, ""
	}
	var no message.RefusedBody
	r.Must(nil, message.Strict(e.Body, &no))
	return e, application.Cause(no.Cause)
}

// cause is answer, for its cause.
func (r *rig) cause(what string, to party, sealed []byte, want application.Cause) {
	r.T.Helper()
	if _, got := r.answer(to, sealed); got != want {
		r.T.Errorf("%s: %q, want %q", what, got, want)
	}
}

// job is what an instance sends for a person, as a test changes it.
func (r *rig) job(i instance, change func(outer, inner *crafted)) []byte {
	r.T.Helper()
	self := i.self()
	outer, inner := r.craft(self, message.Job), r.craft(i.person(), message.Read)
	inner.e.Request, inner.e.Via = outer.e.Request, &self.Party
	change(outer, inner)
	return r.sealed(outer, message.CarriedBody{Signed: r.signed(inner, about("notes/one", 0))})
}
