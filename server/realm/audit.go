package realm

import "github.com/sallyport-auth/sallyport/identity"

// maxAuditText bounds what machines say for the audit log.
const maxAuditText = 256

// Clip cuts what a client says to what the audit log takes of it.
func Clip(s string) string {
	if len(s) > maxAuditText {
		return s[:maxAuditText]
	}
	return s
}

// Words are kinds as the wire and the audit log write them.
func Words(kinds []identity.FactorKind) []string {
	w := make([]string, len(kinds))
	for i, k := range kinds {
		w[i] = string(k)
	}
	return w
}
