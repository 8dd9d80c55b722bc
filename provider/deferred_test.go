package provider

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// plainSource is a source that says which of two it is when it verifies.
type plainSource struct {
	Provider
	says  error
	ended int
}

func (p *plainSource) Name() string                             { return "plain" }
func (p *plainSource) Verify([]byte) (*identity.IDToken, error) { return nil, p.says }
func (p *plainSource) Close() error                             { p.ended++; return nil }

// Promise 19.
func TestASourceIsOpenedOnceInASecondAtMost(t *testing.T) {
	var now time.Time
	tries, fails := 0, true
	first, second := &plainSource{says: errors.New("remembered")}, &plainSource{says: errors.New("open")}
	d := Defer(first, func() (Provider, error) {
		tries++
		if fails {
			return nil, errors.New("no file")
		}
		return second, nil
	}, func() time.Time { return now })
	s := SourceOf(d)
	for range 100 {
		var u *UnreadyError
		if err := s.Unready(); !errors.As(err, &u) || !errors.Is(err, ErrOffline) || errors.Is(err, ErrUntrusted) {
			t.Fatal(err)
		}
		now = now.Add(100 * time.Millisecond)
	}
	if tries != 10 {
		t.Errorf("in ten seconds it was tried %d times", tries)
	}
	if _, err := s.Verify(nil); !errors.Is(err, first.says) {
		t.Error("before it is open:", err)
	}
	fails, now = false, now.Add(time.Second)
	if err := s.Unready(); err != nil {
		t.Error(err)
	}
	if _, err := s.Verify(nil); !errors.Is(err, second.says) {
		t.Error("once it is open:", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil || second.ended == 0 {
		t.Error("it is not closed:", err)
	}
}

func TestASourceThatWasClosedIsNotOpenedAnyMore(t *testing.T) {
	d := Defer(&plainSource{}, func() (Provider, error) { t.Error("it was opened"); return nil, errClosed }, nil)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := SourceOf(d).Unready(); !errors.Is(err, ErrOffline) {
		t.Error(err)
	}
}
