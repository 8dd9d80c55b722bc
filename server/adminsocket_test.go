package server

import "testing"

// Promise 5, attack-person-secrets, attack-machine-codes.
func TestOnlyRootAndTheServersOwnUserMayAdminister(t *testing.T) {
	for peer, want := range map[uint32]bool{0: true, 990: true, 1000: false, 65534: false} {
		if mayAdminister(peer, 990) != want {
			t.Errorf("uid %d: want %v", peer, want)
		}
	}
}
