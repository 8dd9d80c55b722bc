package provider

import (
	"errors"
	"strings"

	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// CauseError is an error whose cause is known by name. It is no sentinel of its own: what
// it wraps says what the failure means to the resolver.
type CauseError struct {
	Cause trouble.ID
	// Places are those of the cause's words that only the error knows, in pairs.
	Places []string
	// Err must be set.
	Err error
}

// Error implements error.
func (e *CauseError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *CauseError) Unwrap() error { return e.Err }

// Trouble says what a failed call came from; name is [Provider.Name]. It is false where
// the cause is not known by name.
func Trouble(err error, name string) (report.Finding, bool) {
	var c *CauseError
	var u *UnreadyError
	if errors.As(err, &u) {
		return u.Finding(), true
	}
	if !errors.As(err, &c) {
		return report.Finding{}, false
	}
	return c.Finding(addressOf(name)), true
}

// Finding is the cause in words; url is the server's.
func (e *CauseError) Finding(url string) report.Finding {
	host := strings.TrimPrefix(url, "https://")
	return e.Cause.Finding(append(append([]string{}, e.Places...), "URL", url, "ADDRESS", host, "HOST", host, "WHY", e.Err.Error())...)
}

// addressOf is the URL in a provider's name.
func addressOf(name string) string {
	_, url, _ := strings.Cut(name, " ")
	return url
}
