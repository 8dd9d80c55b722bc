package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// What "sallyport ssh-config" prints takes an ssh that binds agents to sessions
// (session-bind@openssh.com) and has KnownHostsCommand with %I and %H: OpenSSH 8.9.
const (
	leastMajor = 8
	leastMinor = 9
	// versionTimeout bounds the question.
	versionTimeout = 5 * time.Second
)

// errNoVersion says that it is not known which ssh there is.
var errNoVersion = errors.New("cannot tell whether ssh here is OpenSSH 8.9 or later, which this needs")

// checkSSH refuses an ssh that is too old. Its error is errNoVersion where nobody knows.
func checkSSH(ctx context.Context, program string) error {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "-V").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s -V: %w", errNoVersion, program, err)
	}
	said, _, _ := strings.Cut(string(out), "\n")
	m := regexp.MustCompile(`^OpenSSH_(\d{1,4})\.(\d{1,4})`).FindStringSubmatch(said)
	if m == nil {
		return fmt.Errorf("%w: %s -V says %q", errNoVersion, program, identity.Printable(said))
	}
	major, _ := strconv.Atoi(m[1]) // digits
	minor, _ := strconv.Atoi(m[2])
	if major > leastMajor || major == leastMajor && minor >= leastMinor {
		return nil
	}
	return fmt.Errorf("ssh here is OpenSSH %d.%d, and what ssh-config prints needs 8.9 or later: an older one refuses its whole configuration for it, or signs no login. "+
		"Nothing was printed. Upgrade OpenSSH on this machine, and run this again", major, minor)
}
