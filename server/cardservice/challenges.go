package cardservice

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// challenges gives out challenges and knows its own again, each once. It keeps
// nothing for one that was only given: anybody may ask for any number. The key is
// this process's, so a restart ends them all.
//
//	bytes    what
//	0 to 7   when it was given, Unix seconds, big-endian
//	8 to 31  random
//	32 to 47 HMAC-SHA256 of these, cut to 16 bytes
type challenges struct {
	now func() time.Time
	key []byte

	mu   sync.Mutex
	used map[[challengeLen]byte]time.Time
}

const (
	challengeLen  = 48
	challengeBody = 32
	challengeLife = 2 * time.Minute
)

func newChallenges(now func() time.Time) *challenges {
	return &challenges{now: now, key: randomBytes(sha256.Size), used: make(map[[challengeLen]byte]time.Time)}
}

func (c *challenges) mac(body []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	_, _ = h.Write(body) // never fails, see hash.Hash
	return h.Sum(nil)[:challengeLen-challengeBody]
}

func (c *challenges) give() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.now().Unix())) //nolint:gosec // a time of this century
	b = append(b, randomBytes(challengeBody-len(b))...)
	return append(b, c.mac(b)...)
}

// use tells whether the challenge is one that was given, in time, and not used yet.
func (c *challenges) use(challenge []byte) bool {
	if len(challenge) != challengeLen || !hmac.Equal(c.mac(challenge[:challengeBody]), challenge[challengeBody:]) {
		return false
	}
	now := c.now()
	given := time.Unix(int64(binary.BigEndian.Uint64(challenge)), 0) //nolint:gosec // ours, by its MAC
	if now.Before(given.Add(-clockBehind)) || !now.Before(given.Add(challengeLife)) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, until := range c.used {
		if !now.Before(until) {
			delete(c.used, old)
		}
	}
	at := [challengeLen]byte(challenge)
	if _, before := c.used[at]; before {
		return false
	}
	c.used[at] = given.Add(challengeLife)
	return true
}
