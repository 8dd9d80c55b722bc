package realm

import (
	"crypto/x509"
	"net"
)

// DefaultDir is where the realm of the unit sallyport-server.service lives.
const DefaultDir = "/var/lib/sallyport-server"

// Address is what machines reach the server of that folder by, as far as its own
// settings and certificate tell: "https://NAME:PORT". Empty where they name no host, or
// cannot be read.
func Address(folder string) string {
	d := Dir(folder)
	set, err := d.Load()
	if err != nil {
		return ""
	}
	_, port, err := net.SplitHostPort(set.Listen)
	if err != nil {
		return ""
	}
	names := set.Names
	if set.TLSCert != "" {
		if c, err := readCertificate(set.TLSCert, set.TLSKey); err == nil {
			if leaf, err := x509.ParseCertificate(c.Certificate[0]); err == nil {
				names = leaf.DNSNames
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "https://" + net.JoinHostPort(names[0], port)
}
