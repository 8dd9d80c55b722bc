package partner_test

import (
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// asked is a question of a realm to another one, changed.
func (s *side) asked(to *side, change ...func(*identity.PartnerQuestion)) *v1.PullRequest {
	s.T.Helper()
	q := &identity.PartnerQuestion{Realm: s.Name, Audience: to.Name, Nonce: make([]byte, 32), Time: to.Unix.Load()}
	for _, f := range change {
		f(q)
	}
	bundle, signer := s.bundle()
	question, err := signer.SignPartnerQuestion(q)
	s.Must(nil, err)
	return &v1.PullRequest{KeyBundle: bundle, Question: question}
}

// told is how a realm answers somebody at that address.
func (s *side) told(host string, req *v1.PullRequest) error {
	_, err := s.Pull(realm.WithCaller(s.T.Context(), realm.Caller{Host: host}), req)
	return err
}

// Promise partner-question.
func TestAQuestionIsAnsweredThatAPartnerHasSignedForThisRealmNow(t *testing.T) {
	a, b := answering(t)
	c := inFile(t, "c.example")
	a.asks() // b knows of no newer key list of a yet
	b.puller.Start(t.Context())()
	b.Must(nil, b.told("192.0.2.1", a.asked(b)))
	bundle, signer := a.bundle()
	a.Must(a.Admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{Emergency: true}))
	both(a, b)
	b.Must(nil, b.told("192.0.2.1", a.asked(b)))
	stolen, err := signer.SignPartnerQuestion(&identity.PartnerQuestion{Realm: "a.example", Audience: "b.example", Nonce: make([]byte, 32), Time: b.Unix.Load()})
	a.Must(nil, err)
	imposter := a.asked(b)
	imposter.Question = c.asked(b, func(q *identity.PartnerQuestion) { q.Realm = "a.example" }).GetQuestion()
	other := c.asked(b, func(q *identity.PartnerQuestion) { q.Realm = "a.example" })
	reader := a.asked(b)
	reader.KeyBundle = a.list(func(l *identity.KeyList) { l.Version++; l.ReadOnly, l.Keys = l.Keys, [][]byte{make([]byte, 32)} })
	named := c.asked(b, func(q *identity.PartnerQuestion) { q.Realm = "a.example" })
	named.KeyBundle = c.list(func(l *identity.KeyList) { l.Realm, l.Version = "a.example", l.Version+1<<60 })
	for what, req := range map[string]*v1.PullRequest{
		"by another realm's key":         imposter,
		"of another realm's key list":    other,
		"of another realm of that name":  named,
		"by a server that only reads":    reader,
		"by a key of before":             {KeyBundle: bundle, Question: stolen},
		"for another realm":              a.asked(c, func(q *identity.PartnerQuestion) { q.Time = b.Unix.Load() }),
		"of six minutes ago":             a.asked(b, func(q *identity.PartnerQuestion) { q.Time -= 360 }),
		"in six minutes":                 a.asked(b, func(q *identity.PartnerQuestion) { q.Time += 360 }),
		"of nothing":                     {},
		"without a question":             {KeyBundle: a.asked(b).GetKeyBundle()},
		"of a stranger to another realm": c.asked(a, func(q *identity.PartnerQuestion) { q.Time = b.Unix.Load() }),
	} {
		if err := b.told("192.0.2.1", req); connect.CodeOf(err) != connect.CodeUnauthenticated || err.Error() != "unauthenticated: not accepted" {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.Unix.Store(b.Unix.Load())
	err = b.told("192.0.2.1", c.asked(b))
	var told *connect.Error
	if !errors.As(err, &told) || told.Code() != connect.CodePermissionDenied || len(told.Details()) != 1 {
		t.Errorf("a realm that is no partner: %v", err)
	}
}

// Promise partner-flood.
func TestAFloodOfQuestionsKeepsOutNobodyElse(t *testing.T) {
	a, b := answering(t)
	c := inFile(t, "c.example")
	b.trusts(c)
	c.Unix.Store(b.Unix.Load())
	busy := func(host func(i int) string, req *v1.PullRequest) bool {
		for i := range 10_000 {
			if connect.CodeOf(b.told(host(i), req)) == connect.CodeResourceExhausted {
				return true
			}
		}
		return false
	}
	one := func(int) string { return "192.0.2.1" }
	if !busy(one, &v1.PullRequest{}) {
		t.Error("one address asks without an end")
	}
	b.Must(nil, b.told("192.0.2.2", a.asked(b)))
	each := func(i int) string { return fmt.Sprintf("10.%d.%d.1", i/256, i%256) }
	if !busy(each, a.asked(b)) {
		t.Error("one realm asks without an end")
	}
	b.Must(nil, b.told("192.0.2.3", c.asked(b)))
	// Whoever names a partner and does not prove to be it takes nothing of its share.
	bad := c.asked(b)
	bad.Question = nil
	for i := range 200 {
		_ = b.told(each(i), bad)
	}
	b.Must(nil, b.told("192.0.2.4", c.asked(b)))
}
