package passwords

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sallyport-auth/sallyport/identity"
)

func ada() Subject {
	return Subject{Name: "ada", FullName: "Ada Lovelace", Realm: "corp.example.org"}
}

// Promise password-rules.
func TestBadPasswordsAreRefusedWithTheReason(t *testing.T) {
	list := Open("")
	for password, why := range map[string]string{
		"":                              "too short: at least 8 characters",
		"k3$Zq":                         "too short",
		"\u00fc\u00f6\u00e4xqvd":        "too short", // 7 characters in 10 bytes
		"u\u0308o\u0308a\u0308xqvd":     "too short", // the same, of 10 characters as typed
		strings.Repeat("correct ", 200): "too long",
		"tab\tin the middle":            "cannot be used",
		"bytes \xff of no text":         "cannot be used",
		"password":                      "common",
		"P@ssw0rd":                      "common",
		"Passw0rd!":                     "common",
		"Welcome2026!":                  "common",
		"12 baseball":                   "common",
		"Pa$$word1":                     "common",
		"iloveyou":                      "common",
		"correct horse battery staple":  "common",
		"qazwsxedc":                     "common",
		"aaaaaaaaaa":                    "repeats",
		"Passwordpassword":              "repeats",
		"abcabcabcabc":                  "repeats",
		"abcdefghijkl":                  "repeats",
		"98765432":                      "repeats",
		"11223344":                      "repeats",
		"1q2w3e4r5t6z":                  "repeats",
		"poiuytrewq":                    "repeats",
		"lovelace1":                     "name",
		"Ada.Lovelace.1815":             "name",
		"adalovelace":                   "name",
		"corp.example.org":              "name",
		"Sallyport1!":                   "name",
	} {
		s := ada()
		err := Check(identity.NewSecret([]byte(password)), s, list)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", password, err, why)
		}
		if refusal, is := IsRefusal(err); is && (utf8.RuneCountInString(string(refusal)) > 60 || !strings.HasSuffix(string(refusal), ".")) {
			t.Errorf("%q is no sentence of at most 60 letters", refusal)
		}
	}
}

// Promise password-rules.
func TestGoodPasswordsAreTaken(t *testing.T) {
	list := Open("")
	for _, password := range []string{
		"correct horse battery", "tR4v!x9q", "purple monkey dishwasher", "adamant resolve", "gr\u00fcn wie gras",
		"my password is long", "Monkey 84736251", "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059", "password of ada, the second", "x7 x7 q9 q9",
	} {
		if err := Check(identity.NewSecret([]byte(password)), ada(), list); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// Promise password-rules.
func TestTheLengthIsTheRealmsAndNeverBelowEight(t *testing.T) {
	list := Open("")
	check := func(password string, least int) error {
		return Check(identity.NewSecret([]byte(password)), Subject{Min: least, Name: "ada", Realm: "r"}, list)
	}
	if check("tR4v!x9", 1) == nil || check("tR4v!x9q", 1) != nil {
		t.Error("eight characters are not the least")
	}
	if err := check("tR4v!x9q tR4v!", 15); err == nil || !strings.Contains(err.Error(), "at least 15") {
		t.Error(err)
	}
	if err := check("tR4v!x9q tR4v!y", 15); err != nil {
		t.Error(err)
	}
}

// Promise password-list.
func TestAnAdministratorsListReplacesTheBuiltInOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "common")
	write := func(text string, at int64) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Unix(at, 0), time.Unix(at, 0)); err != nil {
			t.Fatal(err)
		}
	}
	list := Open(file)
	builtIn, _, fault := list.State()
	if fault == nil || builtIn < 500 || !list.Has("password") {
		t.Fatalf("without the file: %d entries, %v", builtIn, fault)
	}
	first := "Grasshopper\r\n\n#hash tag\n"
	write(first, 1)
	if n, path, fault := list.State(); n != 2 || path != file || fault != nil {
		t.Fatalf("with the file: %d entries of %q, %v", n, path, fault)
	}
	for password, want := range map[string]bool{"grasshopper": true, "GRASSHOPPER99": true, "#hash tag": true, "password": false, "": false} {
		if list.Has(password) != want {
			t.Errorf("%q: %v", password, !want)
		}
	}
	write("another one"+strings.Repeat("\n", len(first)-len("another one")), 2) // of the same size
	if list.Has("grasshopper") || !list.Has("another one") {
		t.Error("a changed file is not read again")
	}
	for name, text := range map[string]string{"empty": "\n\n", "a line without end": strings.Repeat("x", maxLine+10)} {
		write(text, 3)
		if _, _, fault := list.State(); fault == nil || !list.Has("password") {
			t.Errorf("%s: %v", name, fault)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, fault := list.State(); fault == nil || !list.Has("password") {
		t.Error("a folder was read")
	}
}
