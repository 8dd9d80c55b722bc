package cli

import (
	"context"
)

func join(_ context.Context, _ *App, _ *invocation) error { return errUsage }
