package sallyport_test

import (
	"net"
	"sync"
	"testing"
)

// front is an address of a realm's server that a test cuts, stalls and restores: a TCP
// forwarder. Two of them before one server are two servers of one realm, as far as a machine
// can tell.
type front struct {
	t      testing.TB
	addr   string
	behind string

	mu      sync.Mutex
	changed *sync.Cond
	l       net.Listener
	conns   map[net.Conn]bool
	stalled bool // nothing is handed on, in no direction
	mute    bool // nothing is handed back
}

func newFront(t testing.TB, url string) *front {
	t.Helper()
	f := &front{t: t, addr: "127.0.0.1:0", behind: url[len("https://"):], conns: map[net.Conn]bool{}}
	f.changed = sync.NewCond(&f.mu)
	f.restore()
	t.Cleanup(f.cut)
	return f
}

func (f *front) url() string { return "https://" + f.addr }

// restore listens, and hands everything on.
func (f *front) restore() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalled, f.mute = false, false
	f.changed.Broadcast()
	if f.l != nil {
		return
	}
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.l, f.addr = l, l.Addr().String()
	go f.accept(l)
}

// cut ends every connection and refuses new ones.
func (f *front) cut() {
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

// stall accepts connections, and neither hands anything on nor answers.
func (f *front) stall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalled = true
}

// silence hands on what a machine says, and not what the server answers.
func (f *front) silence() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = true
}

func (f *front) isCut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.l == nil
}

func (f *front) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", f.behind)
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
		go f.copy(s, c, func() bool { return f.stalled })
		go f.copy(c, s, func() bool { return f.stalled || f.mute })
	}
}

// copy hands on, while held says that it may.
func (f *front) copy(to, from net.Conn, held func() bool) {
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

func (f *front) end(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(f.conns, c)
	}
	f.changed.Broadcast()
}
