package identitystream_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/identitystream"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// server answers each message with the next step.
type server struct {
	steps  []report.IdentityStep
	err    error
	got    []string
	closed int
	hangs  chan struct{}
}

func (s *server) Next(m report.IdentityMessage) (report.IdentityStep, error) {
	s.got = append(s.got, string(m.Message))
	if s.hangs != nil {
		<-s.hangs
	}
	if s.err != nil {
		return report.IdentityStep{}, s.err
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	return step, nil
}

func (s *server) Close() { s.closed++ }

func says(text string) report.IdentityStep { return report.IdentityStep{Message: []byte(text)} }

func sent(text string) report.IdentityMessage { return report.IdentityMessage{Message: []byte(text)} }

func begin(t *testing.T, s *identitystream.Streams, uid uint32, srv *server) (report.IdentityStep, error) {
	t.Helper()
	return s.Begin(t.Context(), uid, func(context.Context) (provider.IdentityStream, report.IdentityStep, error) {
		return srv, says("first"), nil
	})
}

func begun(t *testing.T, s *identitystream.Streams, uid uint32, srv *server) string {
	t.Helper()
	step, err := begin(t, s, uid, srv)
	if err != nil || string(step.Message) != "first" || len(step.Handle) != 32 {
		t.Fatalf("%+v, %v", step, err)
	}
	return step.Handle
}

func gone(t *testing.T, s *identitystream.Streams, uid uint32, handle string) {
	t.Helper()
	if step, err := s.Next(uid, handle, sent("more")); !errors.Is(err, identitystream.ErrGone) {
		t.Errorf("uid %d: %+v, %v", uid, step, err)
	}
}

// Promise identity-client-handle.
func TestAnExchangeGoesOnForWhoBeganItAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := identitystream.New()
		srv := &server{steps: []report.IdentityStep{says("second"), {Token: []byte("token")}}}
		handle := begun(t, s, 1, srv)
		gone(t, s, 2, handle)
		gone(t, s, 0, handle)
		gone(t, s, 1, "")
		gone(t, s, 1, handle+"0")
		if step, err := s.Next(1, handle, sent("two")); err != nil || step.Handle != handle || string(step.Message) != "second" {
			t.Fatalf("%+v, %v", step, err)
		}
		if step, err := s.Next(1, handle, sent("three")); err != nil || step.Handle != "" || string(step.Token) != "token" {
			t.Fatalf("%+v, %v", step, err)
		}
		gone(t, s, 1, handle)
		if len(srv.got) != 2 || srv.closed != 1 {
			t.Errorf("the server got %q, closed %d times", srv.got, srv.closed)
		}
	})
}

// Promise identity-client-handle.
func TestAnExchangeEnds(t *testing.T) {
	for name, c := range map[string]struct {
		srv  *server
		says string
		want error
	}{
		"with an error":     {&server{err: errors.ErrUnsupported}, "two", errors.ErrUnsupported},
		"with no answer":    {&server{steps: []report.IdentityStep{{}}}, "two", nil},
		"with no message":   {&server{}, "", nil},
		"message and token": {&server{steps: []report.IdentityStep{{Message: []byte("m"), Token: []byte("t")}}}, "two", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := identitystream.New()
				handle := begun(t, s, 1, c.srv)
				if step, err := s.Next(1, handle, sent(c.says)); !errors.Is(err, c.want) || step.Handle != "" {
					t.Errorf("%+v, %v", step, err)
				}
				if gone(t, s, 1, handle); c.srv.closed != 1 {
					t.Errorf("closed %d times", c.srv.closed)
				}
			})
		})
	}
}

// Promise identity-client-handle.
func TestAnExchangeIsGoneAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := identitystream.New()
		srv := &server{steps: []report.IdentityStep{says("second")}}
		handle := begun(t, s, 1, srv)
		time.Sleep(identitystream.Life - time.Nanosecond) // of the bubble's clock
		if _, err := s.Next(1, handle, sent("two")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if gone(t, s, 1, handle); srv.closed != 1 {
			t.Errorf("closed %d times", srv.closed)
		}
	})
}

func TestAnExchangeThatTheServerHoldsUpIsGoneAsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := identitystream.New()
		srv := &server{steps: []report.IdentityStep{says("second")}, hangs: make(chan struct{})}
		handle := begun(t, s, 1, srv)
		go func() {
			if step, err := s.Next(1, handle, sent("two")); err != nil || step.Handle != "" {
				t.Errorf("%+v, %v", step, err)
			}
		}()
		synctest.Wait()
		gone(t, s, 1, handle) // busy
		time.Sleep(identitystream.Life)
		synctest.Wait()
		close(srv.hangs)
		synctest.Wait()
		if gone(t, s, 1, handle); srv.closed != 1 || len(srv.got) != 1 {
			t.Errorf("closed %d times, got %q", srv.closed, srv.got)
		}
	})
}

func TestWhoLeavesWhileTheServerAnswersLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := identitystream.New()
		srv := &server{}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.Begin(ctx, 1, func(life context.Context) (provider.IdentityStream, report.IdentityStep, error) {
			cancel()
			<-life.Done()
			return srv, says("first"), nil
		})
		if !errors.Is(err, context.Canceled) || srv.closed != 1 {
			t.Errorf("%v, closed %d times", err, srv.closed)
		}
	})
}

// Promise identity-client-limits.
func TestExchangesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := identitystream.New()
		var first string
		for i := range identitystream.PerUser {
			h := begun(t, s, 1, &server{})
			if i == 0 {
				first = h
			}
		}
		full := func(uid uint32) {
			t.Helper()
			if _, err := begin(t, s, uid, &server{}); !errors.Is(err, identitystream.ErrFull) {
				t.Errorf("uid %d: %v", uid, err)
			}
		}
		full(1)
		if _, err := s.Next(1, first, report.IdentityMessage{}); err != nil {
			t.Fatal(err)
		}
		begun(t, s, 1, &server{})
		full(1)
		for i := range identitystream.All - identitystream.PerUser {
			begun(t, s, uint32(2+i/identitystream.PerUser), &server{})
		}
		full(1000)
		time.Sleep(identitystream.Life)
		synctest.Wait()
		begun(t, s, 1, &server{})
		synctest.Wait()
		time.Sleep(identitystream.Life)
	})
}
