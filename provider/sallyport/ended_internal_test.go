package sallyport

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// notes is a memory.
type notes map[string][]byte

func (n notes) Recall(_ context.Context, key string) ([]byte, error) {
	if b, has := n[key]; has {
		return b, nil
	}
	return nil, identity.ErrNotFound
}

func (n notes) Remember(_ context.Context, key string, value []byte) error {
	n[key] = value
	return nil
}

// Promise hop-ended.
func TestEndedGrantsAreRememberedOverARestart(t *testing.T) {
	kept, one, other := notes{}, uuid.New(), uuid.New()
	p := &Provider{o: Options{Memory: kept}}
	if p.GrantEnded(one) {
		t.Error("one is ended before anything was said")
	}
	if err := p.grantsEnded(t.Context(), [][]byte{one[:]}); err != nil || !p.GrantEnded(one) || p.GrantEnded(other) {
		t.Errorf("told of one: %v", err)
	}
	p = &Provider{o: Options{Memory: kept}}
	if err := p.recall(); err != nil || !p.GrantEnded(one) || p.GrantEnded(other) {
		t.Errorf("after a restart: %v", err)
	}
	if err := p.grantsEnded(t.Context(), [][]byte{other[:]}); err != nil || p.GrantEnded(one) || !p.GrantEnded(other) {
		t.Errorf("told of another in its place: %v", err)
	}
	if err := p.grantsEnded(t.Context(), [][]byte{{1}}); err == nil || !p.GrantEnded(other) {
		t.Errorf("told nonsense: %v", err)
	}
	kept[endedKey] = []byte("nonsense")
	p = &Provider{o: Options{Memory: kept}}
	if err := p.recall(); err != nil || p.GrantEnded(other) {
		t.Errorf("after nonsense was kept: %v", err)
	}
}
