package application

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/application/settings"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of resources.
const (
	maxValue    = 32 << 10 // bytes, as JSON
	maxValues   = 10000    // of a space
	maxKeyName  = 128
	maxRevision = 1 << 53 // what JSON readers agree about
)

// The types of values.
const (
	typeText   = "text"
	typeNumber = "number"
	typeJSON   = "json"
	typeBytes  = "bytes"
)

// Operation is what a job is to do. Whoever is given one need not judge who may.
type Operation struct {
	Operation   message.Purpose // create, read, update or delete
	Account     identity.Name   // who asked
	Space, Name string
	Type        string          // of Value
	Value       json.RawMessage // for create and update
	Revision    uint64          // for update and delete
}

// Resource is its name as messages have it.
func (o Operation) Resource() string { return o.Space + "/" + o.Name }

// Outcome is what an operation came to. A cause says why it was not done.
type Outcome struct {
	Cause    Cause
	Type     string
	Value    json.RawMessage
	Revision uint64
}

// Resources do operations on a space of resources: how another service provides its own.
type Resources interface {
	// Do does one. What it writes in that transaction happens if and only if the job's result
	// is stored; whatever else it does may be done again after an error or a restart. An error
	// leaves the job as it is, and it is tried again for some minutes. Nobody else writes in the
	// realm meanwhile: what takes long is no job for Do.
	Do(ctx context.Context, tx *store.Tx, o Operation) (Outcome, error)
}

// provider is who has a space: the realm itself, where nobody else does.
func (s *Service) provider(space string) Resources {
	if r := s.resources[space]; r != nil {
		return r
	}
	return values{}
}

// order reads what a person wants done.
func order(e message.Envelope) (o Operation, err error) {
	var b message.OrderBody
	if err := message.Strict(e.Body, &b); err != nil {
		return o, refusal{Malformed, err.Error()}
	}
	space, name, _ := strings.Cut(b.Resource, "/")
	if !settings.IsWord(space) || !isKeyName(name) {
		return o, refusal{Malformed, "a resource is SPACE/NAME: small letters, digits, dots, dashes and underscores; the name may have slashes and 128 bytes"}
	}
	o = Operation{Operation: e.Purpose, Space: space, Name: name, Type: b.Type, Value: b.Value, Revision: b.Revision}
	writes, revised := e.Purpose == message.Create || e.Purpose == message.Update, e.Purpose == message.Update || e.Purpose == message.Delete
	switch {
	case writes && !isOfType(b.Type, b.Value):
		return o, refusal{Malformed, "the value has to be of the type text, number, json or bytes (base64), and of 32 KB at most"}
	case !writes && (b.Type != "" || len(b.Value) > 0):
		return o, refusal{Malformed, "a value is for create and update alone"}
	case revised != (b.Revision > 0), b.Revision > maxRevision:
		return o, refusal{Malformed, "update and delete need the revision that was read; others have none"}
	}
	return o, nil
}

func isKeyName(s string) bool {
	return s != "" && len(s) <= maxKeyName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_/") == "" &&
		!strings.HasPrefix(s, "/") && !strings.HasSuffix(s, "/") && !strings.Contains(s, "//")
}

// isOfType tells whether a value is what its type says.
func isOfType(kind string, v json.RawMessage) bool {
	if len(v) == 0 || len(v) > maxValue || !json.Valid(v) {
		return false
	}
	var text string
	switch kind {
	case typeJSON:
		return true
	case typeText:
		return v[0] == '"'
	case typeNumber:
		return v[0] == '-' || v[0] >= '0' && v[0] <= '9'
	case typeBytes:
		if json.Unmarshal(v, &text) != nil {
			return false
		}
		_, err := base64.StdEncoding.Strict().DecodeString(text)
		return err == nil && v[0] == '"'
	default:
		return false
	}
}

// values are the realm's own resources.
type values struct{}

// Do implements Resources.
func (values) Do(_ context.Context, tx *store.Tx, o Operation) (Outcome, error) {
	v := store.Value{Space: o.Space, Name: o.Name, Type: o.Type, Value: bytes.TrimSpace(o.Value), Revision: o.Revision}
	switch o.Operation {
	case message.Create:
		return outcome(Outcome{Revision: 1}, tx.AddValue(v, maxValues))
	case message.Update:
		return changed(tx, o, Outcome{Revision: o.Revision + 1}, tx.SetValue(v))
	case message.Delete:
		return changed(tx, o, Outcome{}, tx.RemoveValue(o.Space, o.Name, o.Revision))
	case message.Read:
		v, err := tx.Value(o.Space, o.Name)
		return outcome(Outcome{Type: v.Type, Value: v.Value, Revision: v.Revision}, err)
	default:
		return Outcome{Cause: WrongPurpose}, nil
	}
}

// outcome tells what is an answer from what is a fault.
func outcome(done Outcome, err error) (Outcome, error) {
	switch {
	case err == nil:
		return done, nil
	case errors.Is(err, identity.ErrNotFound):
		return Outcome{Cause: NotFound}, nil
	case errors.Is(err, store.ErrExists):
		return Outcome{Cause: Exists}, nil
	case errors.Is(err, store.ErrSpace):
		return Outcome{Cause: Full}, nil
	default:
		return Outcome{}, err
	}
}

// changed is outcome, and tells a value that is gone from one that has another revision.
func changed(tx *store.Tx, o Operation, done Outcome, err error) (Outcome, error) {
	if errors.Is(err, identity.ErrNotFound) {
		if _, there := tx.Value(o.Space, o.Name); there == nil {
			return Outcome{Cause: OldVersion}, nil
		}
	}
	return outcome(done, err)
}
