package doctor_test

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/report"
)

// Promise servers-doctor.
func TestAServerThatIsDownBesideOneThatIsNotIsAWarning(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
	defer s.Close()
	const gone, refuses = "https://127.0.0.1:1", "The machine at 127.0.0.1:1 is up and refuses the connection"
	for name, c := range map[string]struct {
		urls []string
		want report.Severity
	}{
		"the second is down": {[]string{s.URL, gone}, report.Warning},
		"the first is down":  {[]string{gone, s.URL}, report.Warning},
		"both are down":      {[]string{gone, "https://127.0.0.1:2"}, report.Problem},
		"the only one":       {[]string{gone}, report.Problem},
	} {
		t.Run(name, func(t *testing.T) {
			files := sound()
			files["/etc/sallyport/server-ca.pem"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
			files["/etc/sallyport/sallyportd.toml"] = strings.Replace(conf("X"), `"X"`, `["`+strings.Join(c.urls, `", "`)+`"]`, 1)
			h := host(t, files, sshdSound)
			h.Now = time.Now
			all := h.Examine(t.Context())
			said, proved := report.Severity(""), 0
			for _, f := range all {
				if f.Check == "server" && strings.Contains(f.Detail, refuses) {
					said = f.Severity
				}
				if f.Check == "server" && strings.Contains(f.Detail, s.URL+": the server proves who it is") {
					proved++
				}
			}
			if said != c.want || (proved == 1) != (c.want == report.Warning) {
				t.Errorf("%q, want %q; %d proved: %+v", said, c.want, proved, all)
			}
		})
	}
}
