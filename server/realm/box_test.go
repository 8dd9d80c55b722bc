package realm

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestASealedSecretOpensOnlyForItsAccount(t *testing.T) {
	r := newBoard(t)
	owner := uuid.New()
	sealed := r.Box.Seal(owner, identity.NewSecret([]byte("secret")))
	if strings.Contains(string(sealed), "secret") {
		t.Fatal("not sealed")
	}
	if got, err := r.Box.Open(owner, sealed); err != nil || string(got.Reveal()) != "secret" {
		t.Fatal(err)
	}
	if _, err := r.Box.Open(uuid.New(), sealed); err == nil {
		t.Fatal("opened for another")
	}
}
