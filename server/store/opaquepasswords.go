package store

// OpaquePasswords is how the realm's people prove passwords.
type OpaquePasswords struct {
	// On: new passwords are registered by OPAQUE.
	On bool
	// Sealed are the keys that all such passwords are registered under, encrypted; nil: it was
	// never switched on.
	Sealed []byte
}

// OpaquePasswords reads it.
func (t *Tx) OpaquePasswords() (p OpaquePasswords, err error) {
	err = t.get([]any{&p.On, &p.Sealed}, `SELECT opaque_passwords, opaque_sealed FROM realm`)
	return p, err
}

// SetOpaquePasswords stores it in place of what was before.
func (t *Tx) SetOpaquePasswords(p OpaquePasswords) error {
	return t.one(`UPDATE realm SET opaque_passwords = ?, opaque_sealed = ?`, p.On, p.Sealed)
}
