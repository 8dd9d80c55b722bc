package identity_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/sallyport-auth/sallyport/identity"
)

// Promise 4.
func TestNoReservedIDComesFromADirectory(t *testing.T) {
	for id, ok := range map[uint32]bool{
		0: false, 1: false, 999: false, 1000: true, 60000: true, 60001: false, 61184: false, 61200: false, 65519: false,
		65534: false, 65535: false, 65536: true, 1879048192: true, 2147352575: true, 2147352576: false,
		4294967294: false, 4294967295: false,
	} {
		if err := identity.CheckID(id); (err == nil) != ok {
			t.Errorf("%d: %v", id, err)
		}
	}
	if err := identity.DefaultIDRange.Validate(); err != nil {
		t.Error(err)
	}
	var zero identity.IDRange
	if zero.Contains(1000) {
		t.Error("the zero range contains an id")
	}
}

// Promise 8.
func TestASecretIsNeverPrinted(t *testing.T) {
	s := identity.NewSecret([]byte("hunter2"))
	holder := struct{ Password identity.Secret }{s}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "holder", holder)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "holder", holder)
	j, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cbor.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for how, text := range map[string]string{
		"%v": fmt.Sprintf("%v", s), "%+v": fmt.Sprintf("%+v", holder), "%#v": fmt.Sprintf("%#v", holder), "%s": fmt.Sprintf("%s", s),
		"%q": fmt.Sprintf("%q", s), "%x": fmt.Sprintf("%x", s), "%d": fmt.Sprintf("%d", holder), "pointer": fmt.Sprintf("%+v", &holder),
		"error": fmt.Errorf("bad %v", s).Error(), "log": log.String(), "JSON": string(j), "CBOR": string(c),
	} {
		for _, leak := range []string{"hunter2", "68756e74657232", "104 117", "0x68", "aHVudGVyMg"} {
			if strings.Contains(text, leak) {
				t.Errorf("%s prints %q", how, text)
			}
		}
	}
	if string(s.Reveal()) != "hunter2" {
		t.Error("Reveal does not give the bytes")
	}
	if s.Wipe(); string(s.Reveal()) != strings.Repeat("\x00", 7) {
		t.Error("Wipe left the bytes")
	}
}

func TestZeroValuesGrantNothing(t *testing.T) {
	var v identity.Verdict
	if v.Code == identity.Granted {
		t.Error("the zero verdict grants")
	}
	var tok identity.IDToken
	if tok.Validate() == nil {
		t.Error("the zero token is valid")
	}
	if tok.StandingAt(now) == identity.Good {
		t.Error("the zero token is in good standing")
	}
	var ring identity.Keyring
	if _, err := ring.IDToken(nil); !errors.Is(err, identity.ErrToken) {
		t.Errorf("the zero keyring: %v", err)
	}
}

func TestLogsHaveWordsForWhatWasAskedAndDecided(t *testing.T) {
	seen := map[string]bool{}
	for o := identity.OpNone; o <= identity.OpChangePassword+1; o++ {
		seen[o.String()] = true
	}
	for c := identity.Unavailable; c <= identity.PromptEnded+1; c++ {
		seen[c.String()] = true
	}
	if len(seen) != 8+14 || !seen["granted"] || !seen["operation 7"] || !seen["code 13"] {
		t.Errorf("words: %v", seen)
	}
}
