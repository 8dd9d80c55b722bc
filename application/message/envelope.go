package message

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxTime is in the year 9999.
const maxTime = 253_402_300_799

// Version is that of the messages.
const Version = 1

// ErrEnvelope says that a text is no envelope.
var ErrEnvelope = errors.New("not what a message has to say")

// Party is one side of a message: what it is, and the fingerprint of its key.
type Party struct {
	Kind Kind   `json:"kind"`
	Key  string `json:"key"`
}

// Envelope is the text of a message. All of it is under the signature.
type Envelope struct {
	Version int     `json:"version"`
	Purpose Purpose `json:"purpose"`
	From    Party   `json:"from"`
	To      Party   `json:"to"`
	// Via is the instance that carries what a person signed; nil in all other messages.
	Via *Party `json:"via,omitempty"`
	// Request is random, 32 hexadecimal digits, chosen by whoever asks, and used once. An
	// answer has that of the question, and what a person signed that of the message around it.
	Request string `json:"request"`
	// Time is in seconds since 1970.
	Time int64 `json:"time"`
	// Question is, in an answer, the SHA-256 of the text of the question, in hexadecimal digits.
	Question string `json:"question,omitempty"`
	// Body is as the purpose has it.
	Body json.RawMessage `json:"body"`
}

// NewRequest makes a request's id.
func NewRequest() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Digest names a question in its answer.
func Digest(text []byte) string {
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:])
}

// Encode is the text of an envelope with that body.
func (e Envelope) Encode(body any) ([]byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	e.Version, e.Body = Version, b
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	return text, nil
}

// NoRequest is the id in an answer to a question that has none which can be read.
const NoRequest = "00000000000000000000000000000000"

// From is who a text says that it is from, and the request's id, whatever else it says. Nothing
// of it is proved.
func From(text []byte) (from Party, request string, err error) {
	var e struct {
		From    Party  `json:"from"`
		Request string `json:"request"`
	}
	if err := json.Unmarshal(text, &e); err != nil || !isFingerprint(e.From.Key) {
		return Party{}, "", fmt.Errorf("%w: it does not say who it is from", ErrEnvelope)
	}
	if !isHex(e.Request, 32) {
		e.Request = NoRequest
	}
	return e.From, e.Request, nil
}

// Decode reads an envelope, strictly.
func Decode(text []byte) (Envelope, error) {
	var e Envelope
	if err := Strict(text, &e); err != nil {
		return Envelope{}, err
	}
	_, known := Rules()[e.Purpose]
	switch {
	case e.Version != Version:
		return Envelope{}, fmt.Errorf("%w: version %d; this is %d", ErrEnvelope, e.Version, Version)
	case !known:
		return Envelope{}, fmt.Errorf("%w: the purpose %.40q is not known", ErrEnvelope, e.Purpose)
	case !isFingerprint(e.From.Key), !isFingerprint(e.To.Key), e.Via != nil && !isFingerprint(e.Via.Key):
		return Envelope{}, fmt.Errorf("%w: a fingerprint is 40 or 64 capital hexadecimal digits", ErrEnvelope)
	case !isHex(e.Request, 32):
		return Envelope{}, fmt.Errorf("%w: the request's id is 32 hexadecimal digits in small letters", ErrEnvelope)
	case e.Time < 0, e.Time > maxTime:
		return Envelope{}, fmt.Errorf("%w: the time is in seconds since 1970", ErrEnvelope)
	case e.Question != "" && !isHex(e.Question, 64):
		return Envelope{}, fmt.Errorf("%w: the digest of the question is 64 hexadecimal digits in small letters", ErrEnvelope)
	case len(e.Body) == 0 || e.Body[0] != '{':
		return Envelope{}, fmt.Errorf("%w: the body is no object", ErrEnvelope)
	}
	return e, nil
}

// Within tells whether a message is of now, as far as clocks may be apart.
func (e Envelope) Within(now time.Time, skew time.Duration) bool {
	apart := now.Sub(time.Unix(e.Time, 0))
	return apart <= skew && apart >= -skew
}

// Strict reads one JSON value: a field that is unknown or twice there, and anything behind the
// value, is refused.
func Strict(text []byte, into any) error {
	if err := plainFields(text); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is something behind it", ErrEnvelope)
	}
	return nil
}

// maxDepth is of objects in objects.
const maxDepth = 16

// level is an object or a list that is open.
type level struct {
	fields map[string]bool // nil in a list
	field  string          // the last one; "" where one comes next
	free   bool            // it is a value of somebody's, which may be called anything
}

// plainFields refuses an object that has a field twice, of which readers differ about which one
// counts, and a field that is not in small letters, which some take for one that is.
func plainFields(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var open []*level
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrEnvelope, err)
		}
		var top *level
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		if name, is := t.(string); is && top != nil && top.fields != nil && top.field == "" {
			if top.fields[name] || !top.free && (name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "") {
				return fmt.Errorf("%w: the field %.40q is there twice, or is none", ErrEnvelope, name)
			}
			top.fields[name], top.field = true, "."+name // never empty
			continue
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			l := &level{free: top != nil && (top.free || top.field == ".value")}
			if t == json.Delim('{') {
				l.fields = make(map[string]bool)
			}
			if open = append(open, l); len(open) > maxDepth {
				return fmt.Errorf("%w: it is too deep", ErrEnvelope)
			}
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			top = nil
			if len(open) > 0 {
				top = open[len(open)-1]
			}
		}
		if top != nil {
			top.field = ""
		}
	}
}

func isFingerprint(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789ABCDEF") == ""
}

func isHex(s string, n int) bool { return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" }
