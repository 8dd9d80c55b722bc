package control

import (
	"errors"
	"sync"
	"syscall"
)

// How many requests may be under way: in total, for all users but root together,
// and for each of them. Nobody can take the last place from root, who may have
// come to find out why nothing works.
const (
	maxOpen        = 64
	maxOpenOthers  = 48
	maxOpenPerUser = 8
)

// places counts the open connections.
type places struct {
	mu            sync.Mutex
	total, others int
	byUID         map[uint32]int
}

func (p *places) take(uid uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total >= maxOpen || uid != 0 && (p.others >= maxOpenOthers || p.byUID[uid] >= maxOpenPerUser) {
		return false
	}
	p.total++
	if uid != 0 {
		p.others++
		p.byUID[uid]++
	}
	return true
}

func (p *places) leave(uid uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if uid == 0 {
		return
	}
	p.others--
	if p.byUID[uid]--; p.byUID[uid] == 0 {
		delete(p.byUID, uid)
	}
}

// isTemporary tells errors of accept(2) that pass.
func isTemporary(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}
