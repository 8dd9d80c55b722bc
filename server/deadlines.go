package server

import (
	"net/http"
	"time"
)

// How long a request body may be and may take to arrive, and one write to be taken. A
// machine that does not read its change stream is cut off; it comes again.
const (
	maxRequest   = 64 << 10
	bodyTimeout  = 10 * time.Second
	writeTimeout = 20 * time.Second
)

// patience sets those limits for each request.
func patience(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if r.ProtoMajor >= 2 { // on HTTP/1 the deadline would outlast the body
			_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		next.ServeHTTP(&impatient{ResponseWriter: w, rc: rc}, r)
	})
}

// impatient gives each write its own deadline, of at least three quarters
// of writeTimeout: the deadline of the one before is good for the next that soon follows.
type impatient struct {
	http.ResponseWriter
	rc    *http.ResponseController
	until time.Time
}

func (w *impatient) Write(b []byte) (int, error) {
	if now := time.Now(); w.until.Sub(now) < writeTimeout*3/4 {
		w.until = now.Add(writeTimeout)
		_ = w.rc.SetWriteDeadline(w.until)
	}
	return w.ResponseWriter.Write(b) //nolint:wrapcheck // an io.Writer
}

// Flush implements http.Flusher.
func (w *impatient) Flush() { _ = w.rc.Flush() }

// Unwrap is for http.ResponseController.
func (w *impatient) Unwrap() http.ResponseWriter { return w.ResponseWriter }
