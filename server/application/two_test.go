package application_test

import (
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/server/application"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// Promise application-once.
func TestTwoServersOfOneRealmAreOne(t *testing.T) {
	if servertest.Postgres() == nil {
		return // a realm in a file has one server
	}
	r := newRig(t)
	second := &rig{Bench: r.Another(), shipped: r.shipped}
	second.serve()
	app := r.application()
	code, k := r.hello(app), r.newKey()
	if got := second.binds(app, code, k); got != "" {
		t.Errorf("hello at one, its key at the other: %q", got)
	}
	if got := r.binds(app, code, r.newKey()); got != application.WrongCode {
		t.Errorf("and once more at the first: %q", got)
	}
	i := r.announced()
	s := i.alice()
	self := i.self()
	r.behind(&slow{down: true})
	i.point(r)
	job, err := s.Order(t.Context(), message.Read, about("notes/one", 0))
	r.Must(nil, err)
	for _, m := range i.sent[2:] {
		second.cause("at the other", self, m, application.Replayed)
	}
	up := &slow{}
	r.behind(up)
	second.behind(up)
	r.later(time.Minute)
	second.later(time.Minute)
	r.Must(nil, r.service.Tidy(t.Context()))
	r.Must(nil, second.service.Tidy(t.Context()))
	i.point(second)
	got, err := s.Fetch(t.Context(), job)
	r.Must(nil, err)
	if len(up.done) != 1 || !got.Done {
		t.Errorf("%d times, %+v", len(up.done), got)
	}
	i.point(r)
	_, err = s.Fetch(t.Context(), job)
	r.wants("once more, at the other", err, application.JobFetched)
}
