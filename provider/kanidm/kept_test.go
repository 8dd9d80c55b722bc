package kanidm //nolint:testpackage // what is kept is not exported

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func keeping(name string, account uuid.UUID) kept {
	return kept{account: account, name: identity.Name(name), bearer: identity.NewSecret([]byte("bearer of " + name))}
}

// Promise kanidm-step-up.
func TestOneSessionIsKeptOfEachAccountAndOfEachName(t *testing.T) {
	bob, other := uuid.New(), uuid.New()
	for name, c := range map[string]struct {
		then  kept
		ended int
		finds string // what is kept of "bob" then
	}{
		"the same again":            {keeping("bob", bob), 1, "bearer of bob"},
		"under another name":        {keeping("robert", bob), 1, ""},
		"another of that name":      {keeping("bob", other), 1, "bearer of bob"},
		"somebody else":             {keeping("eve", other), 0, "bearer of bob"},
		"a sign-in that keeps none": {kept{account: bob, name: "bob"}, 1, ""},
		"nobody's":                  {kept{account: other, name: "eve"}, 0, "bearer of bob"},
	} {
		t.Run(name, func(t *testing.T) {
			var k keeper
			if ended := k.replace(keeping("bob", bob)); len(ended) != 0 {
				t.Fatalf("%d sessions ended", len(ended))
			}
			if ended := k.replace(c.then); len(ended) != c.ended {
				t.Errorf("%d sessions ended, want %d", len(ended), c.ended)
			}
			s, found := k.of("bob")
			if found != (c.finds != "") || string(s.bearer.Reveal()) != c.finds {
				t.Errorf("kept of bob: %q", s.bearer.Reveal())
			}
		})
	}
}

func TestTheOldestSessionIsEndedWhenThereAreTooMany(t *testing.T) {
	var k keeper
	for i := range maxKept {
		if ended := k.replace(keeping(fmt.Sprint("p", i), uuid.New())); len(ended) != 0 {
			t.Fatalf("%d: %d sessions ended", i, len(ended))
		}
	}
	ended := k.replace(keeping("one more", uuid.New()))
	if len(ended) != 1 || ended[0].name != "p0" || len(k.list) != maxKept {
		t.Errorf("ended %v; %d are kept", ended, len(k.list))
	}
	if _, found := k.of("p0"); found {
		t.Error("the oldest is kept still")
	}
}

func TestWhatIsHandedOutIsACopyAndALaterSessionIsNotDroppedForIt(t *testing.T) {
	var k keeper
	bob := uuid.New()
	k.replace(keeping("bob", bob))
	first, _ := k.of("bob")
	first.bearer.Wipe()
	if s, _ := k.of("bob"); string(s.bearer.Reveal()) != "bearer of bob" {
		t.Errorf("wiped with the copy: %q", s.bearer.Reveal())
	}
	k.replace(keeping("bob", bob))
	if dropped := k.drop(first); len(dropped) != 0 {
		t.Error("a step-up that began before a sign-in took its session away")
	}
	if _, found := k.of("bob"); !found {
		t.Error("it is gone")
	}
}

func TestAfterTheEndNothingIsKept(t *testing.T) {
	var k keeper
	k.replace(keeping("bob", uuid.New()))
	if ended := k.close(); len(ended) != 1 {
		t.Errorf("%d sessions ended", len(ended))
	}
	late := keeping("eve", uuid.New())
	if ended := k.replace(late); len(ended) != 1 || len(k.list) != 0 {
		t.Errorf("a late one: %d ended, %d kept", len(ended), len(k.list))
	}
}
