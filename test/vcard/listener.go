package vcard

import (
	"fmt"
	"strings"
)

// hasListener reads a table of /proc/net/tcp: state 0A is LISTEN.
func hasListener(table string, port int) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[1], suffix) && f[3] == "0A" {
			return true
		}
	}
	return false
}
