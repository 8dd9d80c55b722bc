package main

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// runMove moves a realm into PostgreSQL.
func runMove(f *command.Flags) command.Action {
	folder := dirFlag(f)
	to := f.String("to", "", "`address` of an empty PostgreSQL database, postgres://HOST/NAME")
	return func(ctx context.Context) error {
		if *to == "" {
			return command.Usage("--to postgres://HOST/NAME is missing")
		}
		kept, err := realm.Move(ctx, *folder, *to, func(table string, rows int64) {
			if rows > 0 {
				fmt.Printf("%-16s %d\n", table, rows)
			}
		})
		if err != nil {
			return fmt.Errorf("%w\nNothing has changed for the realm: it is served from %s as before", err, *folder)
		}
		fmt.Printf("The realm is in PostgreSQL now. The file that it was in is kept as %s: delete it when nobody needs it any more.\n", kept)
		return nil
	}
}
