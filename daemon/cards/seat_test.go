package cards

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

const aliceUID = 1900000100

// seats has alice in front in her session "3" and nowhere else.
type seats struct {
	err  error
	away bool
}

func (s seats) Session(id string, uid uint32) (bool, error) {
	return !s.away && id == "3" && uid == aliceUID, s.err
}

func (s seats) User(uid uint32) (bool, error) { return !s.away && uid == aliceUID, s.err }

// Promise card-owner.
func TestACardIsForItsOwnerAtTheReaderAlone(t *testing.T) {
	const pts, console = 34816, 1025 // device numbers of pts/0 and tty1
	from := func(login, uid uint32) identity.Caller {
		return identity.Caller{Known: true, LoginUID: login, RealUID: uid}
	}
	greeter, none := identity.Caller{Known: true, LoginUID: identity.NoLoginUID}, identity.NoLoginUID
	on := func(device uint32) identity.LoginSession {
		return identity.LoginSession{Terminal: device, Leader: 7, Started: 7}
	}
	for sentence, c := range map[string]struct {
		login identity.Login
		seats Seats
		want  bool
	}{
		"a console":                                {identity.Login{TTY: "tty1", Caller: greeter}, nil, true},
		"a console, by its path":                   {identity.Login{TTY: "/dev/tty2", Caller: greeter}, nil, true},
		"a serial console":                         {identity.Login{TTY: "ttyS0", Caller: greeter}, nil, true},
		"a greeter on a display":                   {identity.Login{TTY: ":0", Caller: greeter}, nil, true},
		"login on a pseudo terminal":               {identity.Login{TTY: "pts/3", Caller: greeter}, nil, false},
		"a program that says no terminal":          {identity.Login{Caller: greeter}, nil, false},
		"greetd":                                   {identity.Login{Service: "greetd", Caller: greeter}, seats{away: true}, true},
		"greetd that names a terminal":             {identity.Login{Service: "greetd", TTY: "pts/3", Caller: greeter}, nil, false},
		"greetd, from another host":                {identity.Login{Service: "greetd", RemoteHost: "192.0.2.1", Caller: greeter}, nil, false},
		"greetd in a session":                      {identity.Login{Service: "greetd", Caller: greeter, LogindSession: "3"}, seats{}, false},
		"greetd, as a person calls it":             {identity.Login{Service: "greetd", Caller: from(1001, 0)}, seats{}, false},
		"a mail server that names no terminal":     {identity.Login{Service: "smtp", Caller: greeter}, seats{}, false},
		"a display elsewhere":                      {identity.Login{TTY: "host:0", Caller: greeter}, nil, false},
		"a word for a terminal":                    {identity.Login{TTY: "xrdp-sesman", Caller: greeter}, nil, false},
		"a console, from another host":             {identity.Login{TTY: "tty1", RemoteHost: "192.0.2.1", Caller: greeter}, nil, false},
		"a program whose caller cannot be told":    {identity.Login{TTY: "tty1"}, nil, false},
		"ssh":                                      {identity.Login{TTY: "ssh", RemoteHost: "192.0.2.1", Caller: greeter}, seats{}, false},
		"sudo in her session in front":             {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), LogindSession: "3"}, seats{}, true},
		"sudo without audit":                       {identity.Login{RemoteUser: "alice", Caller: from(none, 0), LogindSession: "3"}, seats{}, true},
		"sudo in her session over ssh":             {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), LogindSession: "4"}, seats{}, false},
		"sudo in a terminal of GNOME":              {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), Session: on(pts)}, seats{}, true},
		"the same, while she is away":              {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), Session: on(pts)}, seats{away: true}, false},
		"sudo on a console without logind":         {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), Session: on(console)}, nil, true},
		"sudo on a pseudo terminal without logind": {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), Session: on(pts)}, nil, false},
		"the same on a console without sessions":   {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), Session: on(console)}, seats{away: true}, true},
		"in a session without logind's word":       {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), Session: on(console), LogindSession: "3"}, nil, false},
		"the machine's console":                    {identity.Login{TTY: "/dev/console", Caller: greeter}, nil, true},
		"a terminal without a number":              {identity.Login{TTY: "tty", Caller: greeter}, nil, false},
		"a terminal of another kind":               {identity.Login{TTY: "ttyprintk", Caller: greeter}, nil, false},
		"a display without a number":               {identity.Login{TTY: ":", Caller: greeter}, nil, false},
		"a locker that claims to be elsewhere":     {identity.Login{Peer: identity.Peer{UID: aliceUID}, RemoteHost: "192.0.2.1", LogindSession: "3"}, seats{}, false},
		"her screen locker":                        {identity.Login{Peer: identity.Peer{UID: aliceUID}, LogindSession: "3"}, seats{}, true},
		"su by another on a console":               {identity.Login{RemoteUser: "bob", Caller: from(1001, 1001), LogindSession: "3", Session: on(console)}, seats{}, false},
		"su by another who names her session":      {identity.Login{RemoteUser: "alice", Caller: from(none, 1001), LogindSession: "3"}, seats{}, false},
		"su by root":                               {identity.Login{RemoteUser: "root", TTY: "tty1", Caller: from(0, 0), LogindSession: "3"}, seats{}, false},
		"where logind cannot be read":              {identity.Login{RemoteUser: "alice", Caller: from(aliceUID, 0), LogindSession: "3"}, seats{err: errors.New("no")}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			r := New(nil, c.seats, time.Now, slog.New(slog.DiscardHandler))
			if got := r.AtSeat(&c.login, identity.Account{Name: "alice", UID: aliceUID}); got != c.want {
				t.Errorf("at the reader: %t", got)
			}
		})
	}
}

func TestAFaultOfTheServiceIsToldAsACards(t *testing.T) {
	var e *identity.CardError
	_, err := limited(t.Context(), time.Second, func(context.Context) (int, error) { return 0, errors.New("odd") })
	if !errors.As(err, &e) {
		t.Errorf("%v is no fault of a card", err)
	}
}
