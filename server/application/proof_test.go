package application_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/application"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise application-unproved.
func TestWhoProvesNothingIsToldNothingAndLeavesNothing(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	self, realmKey := i.self(), r.realmKey()
	stranger, err := message.NewKey("stranger", r.Now())
	r.Must(nil, err)
	hello := func(change func(*crafted)) []byte {
		c := r.craft(r.application(), message.Hello)
		change(c)
		return r.sealed(c, message.HelloBody{Code: message.NewRequest()})
	}
	good := hello(func(*crafted) {})
	flipped := bytes.Clone(good)
	flipped[len(flipped)-9] ^= 1
	another, err := message.Seal([]byte("{}"), self.key, &stranger, r.Now())
	r.Must(nil, err)
	noJSON, err := message.Seal([]byte("hello"), self.key, &realmKey, r.Now())
	r.Must(nil, err)
	rows, _ := counts(r)
	for what, m := range map[string][]byte{
		"nothing":                 nil,
		"noise":                   []byte("hello"),
		"a signature alone":       r.signed(r.craft(self, message.Code), message.CodeBody{}),
		"encrypted to another":    another,
		"changed on the way":      flipped,
		"cut off":                 good[:len(good)-1],
		"with something behind":   append(bytes.Clone(good), good...),
		"no JSON":                 noJSON,
		"signed by a stranger":    hello(func(c *crafted) { c.signer = stranger }),
		"a stranger's":            hello(func(c *crafted) { c.signer, c.e.From.Key = stranger, stranger.Fingerprint() }),
		"signed by an instance":   hello(func(c *crafted) { c.signer = self.key }),
		"as if by an instance":    hello(func(c *crafted) { c.e.From = self.Party }),
		"as if by the realm":      hello(func(c *crafted) { c.e.From = message.Party{Kind: message.Realm, Key: realmKey.Fingerprint()} }),
		"an application, by kind": hello(func(c *crafted) { c.e.From.Kind = message.Instance }),
		"of no kind":              hello(func(c *crafted) { c.e.From.Kind = "" }),
	} {
		if status := r.send(m); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", what, status)
		}
	}
	if after, ids := counts(r); after != rows || ids != 0 {
		t.Errorf("%d rows of the audit log, and %d codes", after-rows, ids)
	}
	if status := r.send(good); status != http.StatusOK {
		t.Errorf("as it was sent: status %d", status)
	}
}

// counts are rows of the audit log, and codes of hello that wait.
func counts(r *rig) (rows, hellos int) {
	r.T.Helper()
	log, err := r.Admin.ListAudit(r.T.Context(), &v1.ListAuditRequest{})
	r.Must(nil, err)
	r.Must(nil, r.Store.Read(r.T.Context(), func(tx *store.Tx) (err error) {
		hellos, err = tx.Hellos()
		return err
	}))
	return len(log.GetRows()), hellos
}

// Promise application-for-here.
func TestAMessageIsForOneReceiverOnePurposeAndNow(t *testing.T) {
	r := newRig(t)
	i, other := r.announced(), r.announced()
	_ = i.alice()
	self, elsewhere := i.self(), other.self()
	stranger, err := message.NewKey("stranger", r.Now())
	r.Must(nil, err)
	nobody := named(message.Person, stranger)
	for what, c := range map[string]struct {
		change func(outer, inner *crafted)
		cause  application.Cause
	}{
		"as it has to be":                  {func(_, _ *crafted) {}, ""},
		"for another realm":                {func(o, _ *crafted) { o.e.To.Key = elsewhere.Key }, application.Receiver},
		"for no realm":                     {func(o, _ *crafted) { o.e.To.Kind = message.Instance }, application.Receiver},
		"of a purpose of applications":     {func(o, _ *crafted) { o.e.Purpose = message.Hello }, application.WrongPurpose},
		"of a purpose of answers":          {func(o, _ *crafted) { o.e.Purpose = message.JobResult }, application.WrongPurpose},
		"of a purpose of people":           {func(o, _ *crafted) { o.e.Purpose = message.Read }, application.WrongPurpose},
		"of an unknown purpose":            {func(o, _ *crafted) { o.e.Purpose = "jobs" }, application.Malformed},
		"an answer":                        {func(o, _ *crafted) { o.e.Question = message.Digest(nil) }, application.Malformed},
		"carried":                          {func(o, _ *crafted) { o.e.Via = &self.Party }, application.Malformed},
		"too late":                         {func(o, _ *crafted) { o.e.Time -= 121 }, application.Clock},
		"just in time":                     {func(o, _ *crafted) { o.e.Time -= 120 }, ""},
		"too early":                        {func(o, _ *crafted) { o.e.Time += 121 }, application.Clock},
		"of another purpose within":        {func(_, n *crafted) { n.e.Purpose = message.Fetch }, application.WrongPurpose},
		"a proof within":                   {func(_, n *crafted) { n.e.Purpose = message.PersonProof }, application.WrongPurpose},
		"for another realm within":         {func(_, n *crafted) { n.e.To.Key = elsewhere.Key }, application.Receiver},
		"for another instance within":      {func(_, n *crafted) { n.e.Via = &elsewhere.Party }, application.Receiver},
		"for no instance within":           {func(_, n *crafted) { n.e.Via = nil }, application.Receiver},
		"for another message within":       {func(_, n *crafted) { n.e.Request = message.NewRequest() }, application.Replayed},
		"too late within":                  {func(_, n *crafted) { n.e.Time -= 121 }, application.Clock},
		"signed by another within":         {func(_, n *crafted) { n.signer = stranger }, application.Signature},
		"of another person within":         {func(_, n *crafted) { n.e.From, n.signer = nobody.Party, stranger }, application.PersonUnknown},
		"of the instance itself within":    {func(_, n *crafted) { n.e.From, n.signer = self.Party, self.key }, application.PersonUnknown},
		"signed by the instance within":    {func(_, n *crafted) { n.signer = self.key }, application.Signature},
		"a person's key as an instance's":  {func(_, n *crafted) { n.e.From.Kind = message.Instance }, application.PersonUnknown},
		"carried by another instance":      {func(o, n *crafted) { o.e.From, o.signer, n.e.Via = elsewhere.Party, elsewhere.key, &elsewhere.Party }, application.PersonUnknown},
		"signed for one, sent by another":  {func(o, _ *crafted) { o.e.From, o.signer = elsewhere.Party, elsewhere.key }, application.PersonUnknown},
		"a result's, where a job's has to": {func(o, _ *crafted) { o.e.Purpose = message.Result }, application.WrongPurpose},
	} {
		to := self
		if strings.Contains(what, "another instance") && strings.HasPrefix(what, "carried") || strings.HasPrefix(what, "signed for one") {
			to = elsewhere
		}
		r.cause(what, to, r.job(i, c.change), c.cause)
	}
	c := r.craft(self, message.Code)
	c.e.To.Key = elsewhere.Key
	r.cause("nothing within, for another realm", self, r.sealed(c, message.CodeBody{Code: "x"}), application.Receiver)
	m := r.job(i, func(_, _ *crafted) {})
	r.later(3 * time.Minute)
	e, cause := r.answer(self, m)
	if cause != application.Clock || !strings.Contains(string(e.Body), r.Now().UTC().Format(time.RFC3339)) {
		t.Errorf("held back for three minutes: %q %s", cause, e.Body)
	}
}

// Promise application-once.
func TestARequestIsGoodOnceAlsoOverARestartAndInTheFuture(t *testing.T) {
	r := newRig(t)
	i := r.announced()
	s := i.alice()
	if got := r.does(s, message.Create, text("notes/one", "first", 0)); !got.Done {
		t.Fatalf("%+v", got)
	}
	self := i.self()
	all := i.sent
	again := func(what string) {
		t.Helper()
		for n, m := range all {
			to := self
			if n < 2 {
				to = r.application()
			}
			r.cause(what, to, m, application.Replayed)
		}
	}
	again("at once")
	r.later(2 * time.Minute)
	r.Must(nil, r.service.Tidy(t.Context()))
	again("as late as may be")
	folder := string(r.Dir)
	r.Must(nil, r.Close())
	r.Open(folder)
	r.serve()
	again("after a restart")
	early := r.job(i, func(o, n *crafted) { o.e.Time, n.e.Time = o.e.Time+600, n.e.Time+600 })
	r.cause("early", self, early, application.Clock)
	r.later(10 * time.Minute)
	r.Must(nil, r.service.Tidy(t.Context()))
	r.cause("early, once its time has come", self, early, application.Replayed)
	if rows := r.audit("application.job"); !strings.Contains(strings.Join(rows, "\n"), "refused: replayed") {
		t.Errorf("the audit log has %q", rows)
	}
}

// Promise application-key-hello.
func TestAnApplicationsKeyIsGoodForAnnouncingInstancesAlone(t *testing.T) {
	r := newRig(t)
	app := r.application()
	for purpose, rule := range message.Rules() {
		want := application.WrongPurpose
		if rule.From == message.Application {
			want = application.Malformed // as far as the body
		}
		r.cause(string(purpose), app, r.sealed(r.craft(app, purpose), map[string]string{"x": ""}), want)
	}
}
