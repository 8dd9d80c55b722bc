package main

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// ownerFlag is who owns the tables.
func ownerFlag(f *command.Flags) *string {
	return f.String("owner", "", "`address` by which the role that owns the tables signs in; left out: the role that serves owns them")
}

// runMigrate brings the tables up to date.
func runMigrate(f *command.Flags) command.Action {
	folder, owner := dirFlag(f), ownerFlag(f)
	return func(ctx context.Context) error {
		if err := realm.Migrate(ctx, *folder, *owner); err != nil {
			return err
		}
		fmt.Println("The tables of the database are as this program needs them.")
		return nil
	}
}

// runMove moves a realm into PostgreSQL.
func runMove(f *command.Flags) command.Action {
	folder := dirFlag(f)
	to := f.String("to", "", "`address` of an empty PostgreSQL database, postgres://HOST/NAME")
	owner := ownerFlag(f)
	return func(ctx context.Context) error {
		if *to == "" {
			return command.Usage("--to postgres://HOST/NAME is missing")
		}
		kept, err := realm.Move(ctx, *folder, *to, *owner, func(table string, rows int64) {
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
