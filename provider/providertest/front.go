package providertest

import (
	"context"
	"net"
	"sync"
	"testing"
)

// Front is an address of a realm's server that a test cuts, stalls and restores: a TCP
// forwarder. Two of them before one server are two servers of one realm, as far as a machine
// can tell.
type Front struct {
	t      testing.TB
	addr   string
	behind string

	mu      sync.Mutex
	changed *sync.Cond
	l       net.Listener
	conns   map[net.Conn]bool
	stalled bool // nothing is handed on, in no direction
	mute    bool // nothing is handed back
	next    next // what makes it mute
}

// next is what has to happen before nothing is handed back.
type next uint8

const (
	never    next = iota
	answer        // the server answers once more
	question      // and the machine says something then
)

// NewFront makes one before the server at that address.
func NewFront(t testing.TB, url string) *Front {
	t.Helper()
	f := &Front{t: t, addr: "127.0.0.1:0", behind: url[len("https://"):], conns: map[net.Conn]bool{}}
	f.changed = sync.NewCond(&f.mu)
	f.Restore()
	t.Cleanup(f.Cut)
	return f
}

// URL is its address.
func (f *Front) URL() string { return "https://" + f.addr }

// Restore listens, and hands everything on.
func (f *Front) Restore() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalled, f.mute, f.next = false, false, never
	f.changed.Broadcast()
	if f.l != nil {
		return
	}
	l, err := new(net.ListenConfig).Listen(f.t.Context(), "tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.l, f.addr = l, l.Addr().String()
	go f.accept(l)
}

// Cut ends every connection and refuses new ones.
func (f *Front) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.l != nil {
		_ = f.l.Close()
	}
	f.l, f.stalled, f.mute = nil, false, false
	for c := range f.conns {
		_ = c.Close()
	}
	f.conns = map[net.Conn]bool{}
	f.changed.Broadcast()
}

// Stall accepts connections, and neither hands anything on nor answers.
func (f *Front) Stall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalled = true
}

// Silence hands on what a machine says, and not what the server answers.
func (f *Front) Silence() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = true
}

// SilenceAtSecond hands on what the server answers to what a machine says next, and nothing
// that it answers to what comes after that.
func (f *Front) SilenceAtSecond() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = answer
}

// IsCut tells whether it is cut.
func (f *Front) IsCut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.l == nil
}

func (f *Front) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s, err := new(net.Dialer).DialContext(context.Background(), "tcp", f.behind)
		if err != nil {
			_ = c.Close()
			continue
		}
		f.mu.Lock()
		if f.l != l {
			_, _ = c.Close(), s.Close()
		} else {
			f.conns[c], f.conns[s] = true, true
		}
		f.mu.Unlock()
		go f.copy(s, c, func() bool {
			if f.next == question {
				f.mute, f.next = true, never
			}
			return f.stalled
		})
		go f.copy(c, s, func() bool {
			if f.next == answer {
				f.next = question
			}
			return f.stalled || f.mute
		})
	}
}

// copy hands on, while held says that it may.
func (f *Front) copy(to, from net.Conn, held func() bool) {
	defer f.end(to, from)
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		f.mu.Lock()
		for held() && f.conns[from] {
			f.changed.Wait()
		}
		f.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (f *Front) end(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(f.conns, c)
	}
	f.changed.Broadcast()
}
