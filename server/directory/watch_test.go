package directory

import "testing"

// A fault in one stream's work is that stream's: its handler panics, which the HTTP server
// takes for the end of one request, and not of the process.
func TestAPanicApartIsTheCallers(t *testing.T) {
	defer func() {
		if p := recover(); p != "one stream" {
			t.Errorf("recovered %v", p)
		}
	}()
	goOn, err := apart(func() (bool, error) { panic("one stream") })
	t.Errorf("it returned %v, %v", goOn, err)
}
