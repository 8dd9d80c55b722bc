package cli

import (
	"context"
	"os"
	"os/exec"
	"time"
)

// changeOverTimeout is for systemd to start sallyportd anew.
const changeOverTimeout = 90 * time.Second

// changeOver has a running sallyportd begin with what was just written, and says what
// it did, or what there is to type.
func changeOver(ctx context.Context) string {
	const start = "Next: sudo systemctl enable --now sallyportd.socket sallyportd sallyport-subids.path"
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return "If sallyportd runs already, start it anew: until then it goes on with what it had.\n" + start
	}
	ctx, cancel := context.WithTimeout(ctx, changeOverTimeout)
	defer cancel()
	if exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", "sallyportd.service").Run() != nil {
		return start
	}
	if err := exec.CommandContext(ctx, "systemctl", "restart", "sallyportd.service").Run(); err != nil {
		return "sallyportd runs and goes on with what it had, and could not be started anew (" + err.Error() + "): sudo systemctl restart sallyportd"
	}
	return "sallyportd was running and was started anew, so this counts at once."
}
