package card

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-piv/piv-go/v2/piv"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

func find(t testing.TB, s *Service, wanted identity.CardsWanted, fault identity.CardFault) {
	t.Helper()
	_, err := s.Find(bg, wanted)
	wants(t, err, fault)
}

func TestWithoutPcscdThereIsNoService(t *testing.T) {
	_ = os.RemoveAll("/run/pcscd")
	find(t, service(), live([]byte("x")), identity.CardNoService)
	_, err := service().Sign(bg, identity.CardSeen{}, secret(vcard.DefaultPIN), challenge(), nil)
	wants(t, err, identity.CardNoService)
}

func TestWhatIsInTheReadersIsToldAsWhatItIs(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	find(t, s, live(f), identity.CardNone)
	insert(t, c, 0)
	find(t, s, live([]byte("another")), identity.CardWrong)
	find(t, s, identity.CardsWanted{Live: [][]byte{[]byte("another")}, Revoked: [][]byte{f}}, identity.CardRevoked)
	past := time.Now().Add(-time.Hour)
	for fault, now := range map[identity.CardFault]time.Time{identity.CardExpired: time.Now().Add(2 * time.Hour), identity.CardNotYet: past.Add(-time.Hour)} {
		find(t, New(Options{Now: func() time.Time { return now }}), live(f), fault)
	}
	c.PutCertificate(vcard.Authentication, []byte("no certificate"))
	find(t, s, live(f), identity.CardUnsupported)
	c.Plain()
	find(t, s, live(f), identity.CardUnsupported)

	// The other reader has what is wanted: that wins over any fault here.
	other, g := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, other, 1)
	seen, err := s.Find(bg, live(f, g))
	must(t, err)
	if seen.Reader != vcard.Reader1 {
		t.Fatalf("%+v", seen)
	}
}

// Promise enrol-other-cards.
func TestAnEmptyCardAndOneWithoutTheApplicationAreNoPIV(t *testing.T) {
	vcard.Start(t)
	s := service()
	c := vcard.New()
	insert(t, c, 0)
	find(t, s, live([]byte("x")), identity.CardNotPIV)
	other := vcard.New()
	other.Foreign()
	insert(t, other, 1)
	for range 20 { // and nothing of it stays behind: it could not be opened again
		find(t, s, live([]byte("x")), identity.CardNotPIV)
	}
	free(t, vcard.Reader1)
}

// free sees that nobody holds the card of a reader.
func free(t testing.TB, name string) {
	t.Helper()
	p, err := connect()
	must(t, err)
	defer p.close()
	must(t, p.reset(name))
}

func TestAKeyInTheSignatureSlotWillDo(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, _ := ours(t, vcard.Key{Algorithm: vcard.RSA2048})
	f := put(t, c, vcard.Signature, vcard.Key{Algorithm: vcard.P384, PIN: vcard.PINAlways})
	insert(t, c, 0)
	seen, err := s.Find(bg, live(f))
	must(t, err)
	proof, err := s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	must(t, err)
	must(t, proof.Verify(c.Certificate(vcard.Signature), challenge()))
}

// Promise enrol-pin-card.
func TestThePINGoesToNoOtherCard(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	in := insert(t, c, 0)
	seen, err := s.Find(bg, live(f))
	must(t, err)
	in.Remove()
	until(t, "it is gone", func() bool { return !present(t, vcard.Reader0) })
	_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	wants(t, err, identity.CardRemoved)

	stranger, _ := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, stranger, 0)
	_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	wants(t, err, identity.CardWrong)
	for _, ins := range stranger.Commands() {
		if ins == 0x20 {
			t.Fatal("the other card was asked about its PIN")
		}
	}
	insert(t, c, 1) // it may be in another reader by now
	proof, err := s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	must(t, err)
	must(t, proof.Verify(c.Certificate(vcard.Authentication), challenge()))
}

func TestACardThatIsPulledInMidUseIsRemoved(t *testing.T) {
	vcard.Start(t)
	s := service()
	for _, at := range []byte{0xa4, 0xfd, 0xcb, 0x20, 0x87} {
		c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
		insert(t, c, 0)
		seen, err := s.Find(bg, live(f))
		must(t, err)
		c.OnCommand(func(ins byte) vcard.Fault {
			if ins == at {
				return vcard.Pull
			}
			return vcard.None
		})
		_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
		wants(t, err, identity.CardRemoved)
		t.Logf("%x: %v", at, err)
		until(t, "it is gone", func() bool { return !present(t, vcard.Reader0) })
	}
}

func TestGarbageIsNeverAProof(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, c, 0)
	seen, err := s.Find(bg, live(f))
	must(t, err)
	for _, at := range []byte{0xa4, 0xfd, 0xcb, 0x20, 0x87} {
		c.OnCommand(func(ins byte) vcard.Fault {
			if ins == at {
				return vcard.Garbage
			}
			return vcard.None
		})
		if _, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil); err == nil {
			t.Fatalf("%x", at)
		}
		t.Logf("%x: %v", at, err)
	}
	c.OnCommand(nil)
	_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	must(t, err)
}

func TestATouchIsAskedForAndMissed(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256, Touch: vcard.TouchAlways})
	insert(t, c, 0)
	seen, err := s.Find(bg, live(f))
	must(t, err)
	asked := make(chan struct{}, 1)
	c.OnTouch(func() bool { <-asked; return true }) // it waits for the finger, which waits for the word
	proof, err := s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), func() { asked <- struct{}{} })
	must(t, err)
	must(t, proof.Verify(c.Certificate(vcard.Authentication), challenge()))

	c.OnTouch(func() bool { return false })
	_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	wants(t, err, identity.CardUntouched)
	c.OnTouch(nil)
	_, err = s.Sign(bg, seen, secret("654321"), challenge(), func() { t.Error("touch it, for a wrong PIN") })
	wants(t, err, identity.CardWrongPIN)

	// A card that waits longer than we do.
	finger := make(chan struct{})
	c.OnTouch(func() bool { <-finger; return false })
	short := New(Options{Touch: 500 * time.Millisecond})
	_, err = short.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	wants(t, err, identity.CardUntouched)
	ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
	defer cancel()
	_, err = short.Find(ctx, live(f))
	wants(t, err, identity.CardBusy)
	close(finger)
	c.OnTouch(nil)
	_, err = short.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	must(t, err)
}

func TestACardThatAnotherProgramHoldsIsWaitedForAndThenBusy(t *testing.T) {
	vcard.Start(t)
	s := New(Options{Busy: 200 * time.Millisecond})
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, c, 0)
	other, err := piv.Open(vcard.Reader0)
	must(t, err)
	start := time.Now()
	find(t, s, live(f), identity.CardBusy)
	t.Log("busy after", time.Since(start))
	go func() { <-time.After(100 * time.Millisecond); _ = other.Close() }()
	_, err = service().Find(bg, live(f))
	must(t, err)
}

func TestPcscdThatHangsCostsOneWorkerAndNoOneWaitsTwice(t *testing.T) {
	r := vcard.Start(t)
	s := New(Options{Timeout: 300 * time.Millisecond})
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, c, 0)
	must(t, r.Hang())
	for range 50 {
		find(t, s, live(f), identity.CardNoService)
	}
	if n := threads(t); n > 60 {
		t.Errorf("%d threads", n)
	}
	must(t, r.GoOn())
	until(t, "the service works again", func() bool { _, err := s.Find(bg, live(f)); return err == nil })
}

func threads(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	must(t, err)
	return len(list)
}

func TestACardThatHangsIsGivenUpAndGivenBack(t *testing.T) {
	vcard.Start(t)
	s := New(Options{Timeout: 300 * time.Millisecond})
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	in := insert(t, c, 0)
	seen, err := service().Find(bg, live(f)) // with the time it needs
	must(t, err)
	c.OnCommand(func(ins byte) vcard.Fault {
		if ins == 0x87 {
			return vcard.Hang
		}
		return vcard.None
	})
	_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	wants(t, err, identity.CardNoService)
	c.OnCommand(nil)
	in.Remove()
	insert(t, c, 0)
	until(t, "the service works again", func() bool { _, err := s.Find(bg, live(f)); return err == nil })
}

// Promise enrol-pin-forgotten.
func TestTheCardForgetsThePINBeforeAnyoneElseGetsIt(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, c, 0)
	seen, err := s.Find(bg, live(f))
	must(t, err)
	_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	must(t, err)
	if c.Verified() {
		t.Fatal("the card still takes the PIN for given")
	}
}

// working tells whether a call is in the hands of the worker.
func (s *Service) working() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current != nil
}

func TestTheCallersContextEndsACall(t *testing.T) {
	r := vcard.Start(t)
	s := service()
	must(t, r.Hang())
	ctx, cancel := context.WithCancel(bg)
	go func() {
		for !s.working() { // before that, it would end its wait for a turn
			runtime.Gosched()
		}
		cancel()
	}()
	_, err := s.Find(ctx, live([]byte("x")))
	wants(t, err, identity.CardNoService)
	_, err = s.Find(ctx, live([]byte("x")))
	wants(t, err, identity.CardBusy)
	must(t, r.GoOn())
}

func TestPivGosWordsForACodeAreStillTheOnesWeKnow(t *testing.T) {
	vcard.Start(t)
	_, err := piv.Open(vcard.Reader0)
	if c, ok := codeOf(err); !ok || c != errNoCard {
		t.Errorf("%v", err)
	}
	_, err = piv.Open("no such reader")
	if c, ok := codeOf(err); !ok || c != errUnknownReader {
		t.Errorf("%v", err)
	}
	c := vcard.New()
	insert(t, c, 0)
	held, err := piv.Open(vcard.Reader0)
	must(t, err)
	_, err = piv.Open(vcard.Reader0)
	if c, ok := codeOf(err); !ok || c != errSharing {
		t.Errorf("%v", err)
	}
	must(t, held.Close())
	if !strings.Contains(errRemoved.Error(), "0x80100069") || errors.Is(err, errRemoved) {
		t.Error(errRemoved)
	}
}
