package control

import "testing"

func TestNobodyTakesRootsPlacesAndNoUserTakesAnothers(t *testing.T) {
	p := &places{byUID: map[uint32]int{}}
	taken := 0
	for p.take(1000) {
		taken++
	}
	if taken != maxOpenPerUser {
		t.Fatalf("one user took %d places", taken)
	}
	for uid := uint32(1001); p.take(uid); uid++ {
		taken++
	}
	if taken != maxOpenOthers {
		t.Fatalf("the users together took %d places", taken)
	}
	for range maxOpen - maxOpenOthers {
		if !p.take(0) {
			t.Fatal("no place is left for root")
		}
	}
	if p.take(0) {
		t.Fatal("there are more places than there are")
	}
	p.leave(1000)
	if !p.take(1000) {
		t.Fatal("a place that was left is not free")
	}
}
