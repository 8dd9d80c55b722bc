package cards

import (
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
)

// AtSeat tells whether the account sits at the reader. A card is told a PIN only for its owner, who is at this
// machine: whoever else could use up the tries that the card has.
//
//	the host program says                     asked for by             at the reader
//	a remote host                             anyone                   no
//	no remote host, the origin is the seat    a console or a greeter   if the terminal is a real one
//	the same, and no terminal                 greetd                   yes
//	no remote host, in a session of logind    the account itself       if that session is its own, and in front
//	the same, in none                         the account itself       if it has one in front, or the
//	                                                                   terminal is a real one
//	any                                       anyone else (su)         no
//
// In none is what a user manager started (a terminal of GNOME), and a host without logind.
func (r *Reader) AtSeat(l *identity.Login, a identity.Account) bool {
	own := []identity.Origin{identity.OriginOfUID(a.UID), identity.OriginOfUser(string(a.Name))}
	switch from := l.Origin(); {
	case l.RemoteHost != "":
		return false
	case from.AtSeat():
		return realTerminal(l.TTY) || isGreetd(l)
	case from != own[0] && from != own[1]:
		return false
	case r.seats == nil:
		return l.LogindSession == "" && realConsole(l.Session.Terminal)
	}
	at, err := r.inFront(l, a.UID)
	if err != nil {
		r.log.Warn("who sits at this machine cannot be seen, so no card is asked for", "account", a.Name, "error", err)
		return false
	}
	return at
}

// inFront asks logind, and for a process that is in none of its sessions the kernel too.
func (r *Reader) inFront(l *identity.Login, uid uint32) (bool, error) {
	if l.LogindSession != "" {
		return r.seats.Session(l.LogindSession, uid) //nolint:wrapcheck // it says what it was doing
	}
	at, err := r.seats.User(uid)
	return at || err == nil && realConsole(l.Session.Terminal), err //nolint:wrapcheck // it says what it was doing
}

// isGreetd tells whether greetd asks: it names its terminal to PAM only when the person is proved. Nobody but
// its greeter reaches its socket. Other programs that name none may speak for anybody, as saslauthd does.
func isGreetd(l *identity.Login) bool {
	return l.Service == "greetd" && l.TTY == "" && l.LogindSession == ""
}

// realTerminal tells whether PAM_TTY names the machine's own console, or the display of
// a greeter here. A pseudo terminal (pts) is none: it may be anybody's from anywhere.
func realTerminal(tty string) bool {
	tty = strings.TrimPrefix(tty, "/dev/")
	if display, ok := strings.CutPrefix(tty, ":"); ok {
		return allDigits(strings.TrimSuffix(display, ".0"))
	}
	if tty == "console" {
		return true
	}
	for _, driver := range []string{"tty", "ttyS", "ttyAMA", "ttyUSB", "ttyACM", "hvc"} {
		if line, ok := strings.CutPrefix(tty, driver); ok && allDigits(line) {
			return true
		}
	}
	return false
}

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// realConsole is realTerminal for a device number, as proc(5) has it in tty_nr: a virtual
// console or serial line, and no pseudo terminal.
func realConsole(device uint32) bool {
	switch device >> 8 & 0xfff {
	case 4, 5, 166, 188, 204, 229: // tty and ttyS, console, ttyACM, ttyUSB, ttyAMA, hvc
		return true
	default:
		return false
	}
}
