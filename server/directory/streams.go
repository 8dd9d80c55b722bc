package directory

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// A machine's daemon chooses a random number, its instance, each time that it starts, and
// says it with its change stream. Two that live at once are told from one that started
// anew by this:
//
//	the instance that comes   is                          then
//	the present one           the present one             nothing
//	another                   never seen                  it is the present one; the stream of
//	                                                      the one before ends
//	another                   one of before the present   two live under one name: an alarm
//
// One that ended does not come back. One that still lives does, because its stream was
// ended. After the alarm both are served, as before it: who of the two is the copy is not
// for the server to say. A machine of an older release says no instance and is not told
// from its copy.
type streams struct {
	mu sync.Mutex
	m  map[uuid.UUID]*instances
}

type instances struct {
	now    uuid.UUID
	end    context.CancelFunc // of its stream
	before []uuid.UUID        // the newest last
}

// maxBefore bounds the instances of one machine that are remembered.
const maxBefore = 32

func newStreams() *streams { return &streams{m: make(map[uuid.UUID]*instances)} }

// come notes a stream, and tells whether two live. alarmed says that this is known.
func (s *streams) come(machine, instance uuid.UUID, alarmed bool, end context.CancelFunc) (two bool) {
	if instance == uuid.Nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.m[machine]
	switch {
	case i == nil:
		s.m[machine] = &instances{now: instance, end: end}
		return false
	case i.now == instance:
		i.end = end
		return false
	}
	two = slices.Contains(i.before, instance)
	if !two && !alarmed {
		i.end()
	}
	i.before = append(slices.DeleteFunc(i.before, func(o uuid.UUID) bool { return o == instance }), i.now)
	if len(i.before) > maxBefore {
		i.before = i.before[1:]
	}
	i.now, i.end = instance, end
	return two
}

// forget is for a machine that joined anew.
func (s *streams) forget(machine uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, machine)
}

// maxVersion bounds what a machine says it runs.
const maxVersion = 64

func versionOf(s string) string {
	if len(s) > maxVersion || identity.CheckText(s, maxVersion) != nil {
		return ""
	}
	return s
}

// lease notes the machine's instance for all servers, and tells whether two live. Where
// that cannot be stored, this server's own memory is all there is.
func (w *watcher) lease(ctx context.Context) (two bool) {
	w.before = w.machine.Instance
	if w.instance == uuid.Nil || w.before == w.instance.String() {
		return false
	}
	ctx, end := context.WithTimeout(ctx, sawTimeout)
	defer end()
	err := w.Write(ctx, func(tx *store.Tx) (err error) {
		two, err = tx.Lives(w.machine.UUID, w.instance.String())
		return err
	})
	if err != nil {
		w.Log.WarnContext(ctx, "a copy of a machine at another server is not told from it", "machine", string(w.machine.Name), "error", err)
	}
	return err == nil && two
}

// displaced tells whether another instance has come under the machine's name since this
// stream began.
func (w *watcher) displaced() bool {
	if w.instance == uuid.Nil || !w.machine.Duplicated.IsZero() {
		return false
	}
	switch w.machine.Instance {
	case w.instance.String():
		w.before = w.machine.Instance
		return false
	default:
		return w.machine.Instance != w.before
	}
}
