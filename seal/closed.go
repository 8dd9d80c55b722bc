package seal

import "context"

// Closed is the seal of a machine whose keys cannot be used: it seals and opens nothing,
// so nobody logs in offline, and logins with the server go on.
type Closed struct {
	Of  string // the kind that is configured
	Why error  // must be set
}

// Kind implements [Sealer].
func (c *Closed) Kind() string { return c.Of }

// Trouble is why, for status.
func (c *Closed) Trouble() error { return c.Why }

// HMAC implements [Sealer].
func (c *Closed) HMAC(context.Context, []byte) ([]byte, error) { return nil, c.Why }

// Public implements [Sealer].
func (c *Closed) Public(context.Context) ([]byte, error) { return nil, c.Why }

// Open implements [Sealer].
func (c *Closed) Open(context.Context, []byte, []byte) ([]byte, error) { return nil, c.Why }
