package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const tenSeconds = 10 * time.Second

func fileMode(m uint32) os.FileMode { return os.FileMode(m) }

// wait lets a moment pass between two looks.
func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("not up: %w", ctx.Err())
	case <-time.After(200 * time.Millisecond):
		return nil
	}
}

func startOurs(_ context.Context, _ *machine.Machine, _ int) (*running, error) {
	return nil, errors.New("not yet")
}
