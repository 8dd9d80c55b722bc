package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// from is an attempt as alice from one place.
func (b *bench) from(m store.Machine, origin, password string) answer {
	b.t.Helper()
	a, err := b.admit(&session{client: machineAsClient(m), name: "alice", origin: origin, service: "test"})
	b.must(nil, err)
	return b.answer(m, a.cookie, identity.Password, password)
}

// lockLeft is how long passwords of alice are locked at that place, 0 if they are not.
func (b *bench) lockLeft(m store.Machine, origin string) time.Duration {
	b.t.Helper()
	f, err := b.facts(b.t.Context(), &session{client: machineAsClient(m), name: "alice", origin: origin})
	b.must(nil, err)
	return max(0, f.until[identity.Password].Sub(f.now))
}

// Promise guess-own-place.
func TestEveryRowOfTheTableOfBrakesHolds(t *testing.T) {
	m := uuid.New()
	const here, seat = "host 192.0.2.1", "seat"
	origin := func(o string) store.Spot { return store.Spot{Kind: identity.Password, Machine: m, Origin: o} }
	machine, realm := store.Spot{Kind: identity.Password, Machine: m}, store.Spot{Kind: identity.Password}
	for _, row := range []struct {
		origin string
		f      familiar
		want   []store.Spot
	}{
		{seat, familiar{}, []store.Spot{origin(seat), realm}},
		{seat, familiar{onMachine: true}, []store.Spot{origin(seat)}},
		{seat, familiar{onMachine: true, fromOrigin: true}, []store.Spot{origin(seat)}},
		{here, familiar{}, []store.Spot{origin(here), machine, realm}},
		{here, familiar{onMachine: true}, []store.Spot{origin(here), machine}},
		{here, familiar{onMachine: true, fromOrigin: true}, []store.Spot{origin(here)}},
	} {
		for _, kind := range []identity.FactorKind{identity.Password, identity.PasswordAndTOTP} {
			got := brakes(newFactors().counted(kind), m, row.origin, row.f)
			if len(got) != len(row.want) {
				t.Fatalf("%s, %+v: %d rules, want %d", row.origin, row.f, len(got), len(row.want))
			}
			for i, b := range got {
				if b.spot != row.want[i] || b.Brake != brakeAt(b.spot) {
					t.Errorf("%s, %+v: rule %d counts at %+v, want %+v", row.origin, row.f, i, b.spot, row.want[i])
				}
			}
		}
	}
}

// attack guesses at alice's password for that long, each time at the moment when the
// next place is free, and tells how many guesses were looked at on the first day and on
// the last.
func (b *bench) attack(days int, next func(i int) (store.Machine, string), daily func()) (first, last int) {
	b.t.Helper()
	start := b.unix.Load()
	const day = 86400
	for i, today := 0, 0; ; i++ {
		if i > 10_000 {
			b.t.Fatal("10,000 guesses, and no end")
		}
		m, origin := next(i)
		free := b.unix.Load() + max(0, int64(b.lockLeft(m, origin)/time.Second))
		for int((free-start)/day) > today {
			today++
			b.unix.Store(start + int64(today)*day) // while the attacker waits
			daily()
			if today == days {
				return first, last
			}
			last = 0
		}
		b.unix.Store(free)
		if got := b.from(m, origin, "wrong"); got.allow || got.locked {
			b.t.Fatalf("guess %d: %+v", i, got.outcome())
		}
		if today == 0 {
			first++
		}
		last++
	}
}

// Two weeks of an attacker who never rests, and alice beside it.
// Promise attack-network-guesses, guess-own-place.
func TestWhoGetsInWhileSomeoneGuessesForWeeks(t *testing.T) {
	type machines struct{ laptop, box, spare store.Machine }
	for name, c := range map[string]struct {
		places      func(b *bench, m machines) func(int) (store.Machine, string)
		first, last int  // guesses at most
		address     bool // a new address on a machine that she knows gets in
		machine     bool // a machine that is new to her gets in
	}{
		"one address": {
			places: func(_ *bench, m machines) func(int) (store.Machine, string) {
				return func(int) (store.Machine, string) { return m.box, "host 203.0.113.9" }
			}, first: 50, last: 25, machine: true,
		},
		"10,000 addresses at one machine": {
			places: func(_ *bench, m machines) func(int) (store.Machine, string) {
				return func(i int) (store.Machine, string) {
					return m.box, fmt.Sprintf("host 203.%d.%d.9", i%10_000/100, i%100)
				}
			}, first: 50, last: 25, machine: true,
		},
		"50 machines that she never used": {
			places: func(b *bench, _ machines) func(int) (store.Machine, string) {
				var farm []store.Machine
				for i := range 50 {
					farm = append(farm, b.machine(identity.Name(fmt.Sprintf("farm%d", i))))
				}
				return func(i int) (store.Machine, string) { return farm[i%len(farm)], fmt.Sprintf("host 203.0.113.%d", i%250) }
			}, first: 104, last: 50, address: true,
		},
		"a local user of her own machine": {
			places: func(_ *bench, m machines) func(int) (store.Machine, string) {
				return func(int) (store.Machine, string) { return m.laptop, "uid 1000" }
			}, first: 50, last: 25, address: true, machine: true,
		},
		"a place that she signs in from as well": {
			places: func(_ *bench, m machines) func(int) (store.Machine, string) {
				return func(int) (store.Machine, string) { return m.box, "host 198.51.100.99" }
			}, first: 106, last: 97, address: true, machine: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			m := machines{b.machine("laptop"), b.box, b.machine("spare")}
			const usual, shared = "host 198.51.100.7", "host 198.51.100.99"
			for _, p := range []struct {
				m      store.Machine
				origin string
			}{{m.laptop, "seat"}, {m.box, usual}, {m.box, shared}} {
				if !b.from(p.m, p.origin, right).allow {
					t.Fatal(p)
				}
			}
			address, machine := true, true
			first, last := b.attack(14, c.places(b, m), func() {
				if !b.from(m.laptop, "seat", right).allow || !b.from(m.box, usual, right).allow {
					t.Fatal("alice is kept out at her own seat, or from her usual address")
				}
				address = address && b.lockLeft(m.box, "host 192.0.2.200") <= 0
				machine = machine && b.lockLeft(m.spare, "seat") <= 0
			})
			t.Logf("%d guesses on the first day, %d on the last; a new address %t, a new machine %t", first, last, address, machine)
			if first > c.first || last > c.last || first < 20 {
				t.Errorf("%d guesses on the first day, at most %d; %d on the last, at most %d", first, c.first, last, c.last)
			}
			if address != c.address || machine != c.machine {
				t.Errorf("a new address gets in: %t, want %t; a new machine: %t, want %t", address, c.address, machine, c.machine)
			}
		})
	}
}

// Promise guess-places.
func TestPlacesAreForgottenAfterNinetyDays(t *testing.T) {
	b := newBench(t)
	if !b.from(b.box, "host 198.51.100.7", right).allow {
		t.Fatal("refused")
	}
	knows := func() bool {
		var a store.Attempt
		b.must(nil, b.Store.Once(t.Context(), func(tx *store.Tx) (err error) {
			a, err = tx.Attempt(b.box.UUID, "alice", "host 198.51.100.7")
			return err
		}))
		f := familiarWith(&a, b.Now())
		return f.onMachine && f.fromOrigin
	}
	b.unix.Add(int64(placeFor/time.Second) - 1)
	if !knows() {
		t.Error("forgotten too soon")
	}
	b.unix.Add(2)
	if knows() {
		t.Error("not forgotten")
	}
	b.must(nil, b.Prune(t.Context()))
	b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Places(b.uuid("alice"))
		if len(list) > 0 {
			t.Errorf("%v are kept", list)
		}
		return err
	}))
}

// Promise attack-machine-failures, guess-own-place.
func TestAMachineSpeaksOnlyOfItsOwnPlaces(t *testing.T) {
	b := newBench(t)
	laptop, evil := b.machine("laptop"), b.machine("evil")
	if !b.from(laptop, "seat", right).allow {
		t.Fatal("refused")
	}
	for range originBrake.From {
		b.from(evil, "seat", "wrong")
	}
	if b.lockLeft(evil, "seat") <= 0 || b.lockLeft(laptop, "seat") > 0 {
		t.Errorf("locked: evil %v, laptop %v", b.lockLeft(evil, "seat"), b.lockLeft(laptop, "seat"))
	}
}

// Promise guess-unlock.
func TestUnlockClearsEveryCount(t *testing.T) {
	b := newBench(t)
	for i := range 60 {
		m := b.machine(identity.Name(fmt.Sprintf("m%d", i)))
		b.from(m, "seat", "wrong")
	}
	if b.lockLeft(b.box, "seat") <= 0 {
		t.Fatal("not locked")
	}
	v, err := b.admin.UnlockAccount(t.Context(), alice())
	b.must(nil, err)
	if b.lockLeft(b.box, "seat") > 0 || len(v.GetFailuresAt()) > 0 {
		t.Errorf("still locked: %v", v.GetFailuresAt())
	}
}

// Promise guess-unlock.
func TestTheAdministratorSeesWhereFailuresComeFrom(t *testing.T) {
	b := newBench(t)
	b.from(b.box, "seat", right)
	for range originBrake.From {
		b.from(b.box, "host 203.0.113.9", "wrong")
	}
	v, err := b.admin.ShowAccount(t.Context(), alice())
	b.must(nil, err)
	if p := v.GetPlaces(); len(p) != 1 || p[0].GetMachine() != "box" || p[0].GetOrigin() != "seat" {
		t.Errorf("places %v", p)
	}
	if v.GetFailures() != 5 || v.GetLockedUntil() == nil || len(v.GetFailuresAt()) != 2 {
		t.Fatalf("%d failures, %v", v.GetFailures(), v.GetFailuresAt())
	}
	for _, f := range v.GetFailuresAt() {
		if locked := f.GetLockedUntil() != nil; f.GetMachine() != "box" || locked != (f.GetOrigin() == "host 203.0.113.9") {
			t.Errorf("%v", f)
		}
	}
}
