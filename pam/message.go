package pam

import (
	"fmt"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// parseBegin turns the first packet into a login. Numbers are compared before
// they are narrowed: operation 257 is not operation 1.
func parseBegin(m *wire.Message, peer identity.Peer) (identity.Login, error) {
	op, flags := m.Number(wire.Operation), m.Number(wire.Flags)
	switch {
	case m.Type != wire.Begin:
		return identity.Login{}, fmt.Errorf("%w: type %#02x", wire.ErrMalformed, uint8(m.Type))
	case op == uint32(identity.OpNone) || op > uint32(identity.OpChangePassword):
		return identity.Login{}, fmt.Errorf("%w: operation %d", wire.ErrMalformed, op)
	case flags&^(wire.FlagSilent|wire.FlagOnlyFirstPass|wire.FlagPrelim) != 0:
		return identity.Login{}, fmt.Errorf("%w: flags %#x", wire.ErrMalformed, flags)
	case m.String(wire.Name) == "":
		return identity.Login{}, fmt.Errorf("%w: no name", wire.ErrMalformed)
	}
	session, err := parseSession(m)
	if err != nil {
		return identity.Login{}, err
	}
	process, err := parseProcess(m)
	if err != nil {
		return identity.Login{}, err
	}
	caller, err := parseCaller(m)
	if err != nil {
		return identity.Login{}, err
	}
	return identity.Login{
		Operation:     identity.Operation(op),
		Service:       m.String(wire.Service),
		User:          m.String(wire.Name),
		TTY:           m.String(wire.TTY),
		RemoteUser:    m.String(wire.RemoteUser),
		RemoteHost:    m.String(wire.RemoteHost),
		Silent:        flags&wire.FlagSilent != 0,
		FirstPass:     identity.NewSecret(m.Bytes(wire.FirstPass)),
		OnlyFirstPass: flags&wire.FlagOnlyFirstPass != 0,
		OldPass:       identity.NewSecret(m.Bytes(wire.OldPass)),
		Prelim:        flags&wire.FlagPrelim != 0,
		Session:       session,
		Process:       process,
		Caller:        caller,
		LogindSession: m.String(wire.Logind),
		AuthInfo:      m.String(wire.AuthInfo),
		Peer:          peer,
	}, nil
}

// parseSession reads where the host program runs; none said is an unknown one.
func parseSession(m *wire.Message) (identity.LoginSession, error) {
	if !m.Has(wire.Session) {
		return identity.LoginSession{}, nil
	}
	n := m.Numbers(wire.Session)
	if len(n) != 5 {
		return identity.LoginSession{}, fmt.Errorf("%w: a session of %d numbers, want 5", wire.ErrMalformed, len(n))
	}
	return identity.LoginSession{Audit: n[0], Terminal: n[1], Leader: n[2], Started: uint64(n[4])<<32 | uint64(n[3])}, nil
}

// parseProcess reads what process the host program is; none said is an unknown one.
func parseProcess(m *wire.Message) (identity.Process, error) {
	if !m.Has(wire.Process) {
		return identity.Process{}, nil
	}
	n := m.Numbers(wire.Process)
	if len(n) != 6 {
		return identity.Process{}, fmt.Errorf("%w: a process of %d numbers, want 6", wire.ErrMalformed, len(n))
	}
	return identity.Process{PID: n[0], Started: uint64(n[2])<<32 | uint64(n[1]), Parent: n[3], ParentStarted: uint64(n[5])<<32 | uint64(n[4])}, nil
}

// parseCaller reads who runs the host program; none said is an unknown one.
func parseCaller(m *wire.Message) (identity.Caller, error) {
	if !m.Has(wire.Caller) {
		return identity.Caller{}, nil
	}
	n := m.Numbers(wire.Caller)
	if len(n) != 2 {
		return identity.Caller{}, fmt.Errorf("%w: a caller of %d numbers, want 2", wire.ErrMalformed, len(n))
	}
	return identity.Caller{Known: true, LoginUID: n[0], RealUID: n[1]}, nil
}

func showMessage(t wire.Type, style identity.Style, text string) *wire.Message {
	return wire.New(t).AddNumbers(wire.Style, uint32(style)).AddString(wire.Text, text)
}

func tellMessage(style identity.Style, text string) *wire.Message {
	return showMessage(wire.Tell, style, text)
}

// verdictMessage encodes a verdict. What belongs to a yes goes only with a yes,
// and a verdict that cannot be encoded becomes "unavailable".
func verdictMessage(v identity.Verdict) *wire.Message {
	m := wire.New(wire.Verdict).AddNumbers(wire.Code, uint32(v.Code))
	if v.Code != identity.Granted {
		if v.DelayMicros > 0 {
			m.AddNumbers(wire.Delay, v.DelayMicros)
		}
		return m
	}
	if v.Password.Len() > 0 {
		// A copy: the message is wiped after sending, the secret by its owner.
		m.Add(wire.Secret, slices.Clone(v.Password.Reveal()))
	}
	for _, line := range v.Environment {
		m.AddString(wire.Environment, line)
	}
	if len(v.Groups) > 0 {
		m.AddNumbers(wire.GIDs, v.Groups...)
	}
	if _, err := m.Marshal(); err != nil {
		m.Wipe()
		return wire.New(wire.Verdict).AddNumbers(wire.Code, uint32(identity.Unavailable))
	}
	return m
}
