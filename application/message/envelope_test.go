package message_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
)

const (
	fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
	request     = "0123456789abcdef0123456789abcdef"
	envelope    = `{"version":1,"purpose":"hello","from":{"kind":"application","key":"` + fingerprint + `"},"to":{"kind":"realm","key":"` + fingerprint + `"},"request":"` + request + `","time":1800000000,"body":{"code":"x"}}`
)

// changed is an envelope in which something else stands.
func changed(from, to string) string { return strings.Replace(envelope, from, to, 1) }

// Promise application-strict.
func TestATextThatIsNotExactlyAnEnvelopeIsNone(t *testing.T) {
	if e, err := message.Decode([]byte(envelope)); err != nil || e.Purpose != message.Hello || e.From.Key != fingerprint {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := message.Decode([]byte(changed(`"code":"x"`, `"value":{"A b":1,"a b":[{"":2}]}`))); err != nil {
		t.Errorf("a value with fields of its own: %v", err)
	}
	for sentence, text := range map[string]string{
		"nothing":                    "",
		"no object":                  "[]",
		"cut off":                    envelope[:len(envelope)-1],
		"something behind":           envelope + " 1",
		"another behind":             envelope + envelope,
		"an unknown field":           changed(`"version"`, `"colour":1,"version"`),
		"an unknown field within":    changed(`"kind":"realm"`, `"kind":"realm","name":"x"`),
		"a field twice":              changed(`"version":1`, `"version":1,"version":1`),
		"a field twice in capital":   changed(`"version":1`, `"version":1,"Version":1`),
		"a field twice in letters":   changed(`"version":1`, `"version":1,"verſion":1`),
		"a field twice within":       changed(`"code":"x"`, `"code":"x","code":"y"`),
		"a field in capitals":        changed(`"version"`, `"Version"`),
		"a value with a field twice": changed(`"code":"x"`, `"value":{"a":1,"a":2}`),
		"another version":            changed(`"version":1`, `"version":2`),
		"no version":                 changed(`"version":1,`, ``),
		"an unknown purpose":         changed(`hello`, `hallo`),
		"no purpose":                 changed(`"purpose":"hello",`, ``),
		"a fingerprint in small":     changed(fingerprint, strings.ToLower(fingerprint)),
		"a short fingerprint":        changed(fingerprint, fingerprint[1:]),
		"no receiver":                changed(`,"to":{"kind":"realm","key":"`+fingerprint+`"}`, ``),
		"an id in capitals":          changed(request, strings.ToUpper(request)),
		"a short id":                 changed(request, request[1:]),
		"no id":                      changed(`"request":"`+request+`",`, ``),
		"a time in words":            changed(`1800000000`, `"2027"`),
		"a time in parts":            changed(`1800000000`, `1800000000.5`),
		"a time before 1970":         changed(`1800000000`, `-1`),
		"a time without end":         changed(`1800000000`, `9223372036854775807`),
		"no body":                    changed(`,"body":{"code":"x"}`, ``),
		"a body of nothing":          changed(`{"code":"x"}`, `null`),
		"a body in words":            changed(`{"code":"x"}`, `"x"`),
		"a digest that is none":      changed(`"time"`, `"question":"x","time"`),
		"deep":                       changed(`"x"`, strings.Repeat(`[`, 100)+strings.Repeat(`]`, 100)),
	} {
		if e, err := message.Decode([]byte(text)); !errors.Is(err, message.ErrEnvelope) || e.Purpose != "" {
			t.Errorf("%s: %+v, %v", sentence, e, err)
		}
	}
}

func TestClocksMayBeApartByAsMuchAsIsSaid(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for by, want := range map[int64]bool{0: true, 120: true, -120: true, 121: false, -121: false, 1 << 40: false} {
		if got := (message.Envelope{Time: now.Unix() + by}).Within(now, 2*time.Minute); got != want {
			t.Errorf("by %d s: %v", by, got)
		}
	}
}

func TestEachPurposeIsAQuestionAnAnswerOrCarried(t *testing.T) {
	rules := message.Rules()
	for p, r := range rules {
		is := map[string]bool{"question": r.Answer != "", "answer": r.From == message.Realm, "carried": r.In != ""}
		n := 0
		for _, yes := range is {
			if yes {
				n++
			}
		}
		if n != 1 || r.Answer != "" && rules[r.Answer].From != message.Realm || r.In != "" && rules[r.In].Answer == "" || r.Open && p != message.Hello {
			t.Errorf("%s: %v", p, is)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(envelope))
	f.Add([]byte(changed(`hello`, `job`)))
	f.Add([]byte(changed(`"time"`, `"via":{"kind":"instance","key":"`+fingerprint+`"},"time"`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := message.Decode(text)
		from, _, other := message.From(text)
		if err != nil {
			return
		}
		if other != nil || from != e.From {
			t.Errorf("two readers differ about who it is from: %+v, %+v", from, e.From)
		}
		again, err := e.Encode(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		if e2, err := message.Decode(again); err != nil || e2.Purpose != e.Purpose || e2.Request != e.Request {
			t.Errorf("%s: %+v, %v", again, e2, err)
		}
	})
}

func FuzzMessage(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	ours, err := message.NewKey("realm", now)
	if err != nil {
		f.Fatal(err)
	}
	theirs, err := message.NewKey("instance", now)
	if err != nil {
		f.Fatal(err)
	}
	for _, to := range []*message.Key{nil, &ours} {
		b, err := message.Seal([]byte(envelope), theirs, to, now)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := message.Decrypt(b, ours)
		if err != nil {
			m, err = message.ReadSigned(b)
		}
		if err == nil && m.Verify(theirs, now, 0) == nil && string(m.Claims) != envelope {
			t.Errorf("verified: %q", m.Claims)
		}
	})
}

func FuzzOpenPGPKey(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	k, err := message.NewKey("instance", now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(public(f, k))
	armored, err := k.ArmoredPublic()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(armored))
	private, err := k.Private()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(private)
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := message.ParsePublic(b, now); err == nil {
			if _, err := got.Public(); err != nil {
				t.Error(err)
			}
		}
		if got, err := message.ParsePrivate(b, nil, now); err == nil && got.Fingerprint() == "" {
			t.Error("a key without a fingerprint")
		}
	})
}
