package cli

import (
	"context"
	"os/exec"
)

// changeOver has a running sallyportd begin with what was just written, and says what
// it did, or, where the units are the reader's to start, what there is to type.
func changeOver(ctx context.Context, starts bool) string {
	next := ""
	if starts {
		next = "Next: sudo systemctl enable --now sallyportd.socket sallyportd sallyport-subids.path"
	}
	if !systemdRuns() {
		return "If sallyportd runs already, start it anew: until then it goes on with what it had.\n" + next
	}
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	if exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", "sallyportd.service").Run() != nil {
		return next
	}
	if err := exec.CommandContext(ctx, "systemctl", "restart", "sallyportd.service").Run(); err != nil {
		return "sallyportd runs and goes on with what it had, and could not be started anew (" + err.Error() + "): sudo systemctl restart sallyportd"
	}
	return "sallyportd was running and was started anew, so this counts at once."
}
