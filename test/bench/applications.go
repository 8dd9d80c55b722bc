package main

import (
	"context"
	"fmt"
)

// applications measures jobs of an instance, client and server in one process, on PostgreSQL,
// beside gpg. One message is four operations: it is signed and encrypted, decrypted and verified.
func (b *bench) applications(ctx context.Context) error {
	per, err := goBench(ctx, "./server/application", "3s", "Job", "Message/Seal", "Message/Open", "GnuPG/Seal", "GnuPG/Open")
	if err != nil {
		return err
	}
	ours, gpg := per["Message/Seal"]+per["Message/Open"], per["GnuPG/Seal"]+per["GnuPG/Open"]
	b.row("jobs of an application, each ordered, done and fetched in four messages, on PostgreSQL", fmt.Sprintf("%.0f /s (%.1f ms)", 1e9/per["Job"], per["Job"]/1e6),
		fmt.Sprintf("gpg alone, the four operations on four messages: %.0f /s (%.1f ms)", 1e9/(4*gpg), 4*gpg/1e6))
	b.row("one message signed, encrypted, decrypted and verified, in process", fmt.Sprintf("%.0f /s (%s)", 1e9/ours, us(ours)),
		fmt.Sprintf("gpg, a process for each half: %.0f /s (%.1f ms)", 1e9/gpg, gpg/1e6))
	return nil
}
