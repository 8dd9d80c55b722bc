package store

import "github.com/google/uuid"

// ConsoleClient stands in a machine's place where somebody signs in to the console. Nobody is
// beyond its scope.
var ConsoleClient = uuid.MustParse("636f6e73-6f6c-4065-8000-000000000003") //nolint:gochecknoglobals // a constant

// placesAt is the table of where people have signed in there.
func placesAt(machine uuid.UUID) string {
	if machine == ConsoleClient {
		return `console_places`
	}
	return `places`
}

// ConsoleSettings are what the realm has set for people without a machine.
type ConsoleSettings struct {
	// On: the console is served. ServerKeys: the server may hold keys to verify people with.
	On, ServerKeys bool
}

// ConsoleSettings reads them.
func (t *Tx) ConsoleSettings() (s ConsoleSettings, err error) {
	err = t.get([]any{&s.On, &s.ServerKeys}, `SELECT console, verify_server_keys FROM realm`)
	return s, err
}

// SetConsoleSettings stores them in place of those before.
func (t *Tx) SetConsoleSettings(s ConsoleSettings) error {
	return t.one(`UPDATE realm SET console = ?, verify_server_keys = ?`, s.On, s.ServerKeys)
}
