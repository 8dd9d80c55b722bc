package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/backup"
	"github.com/sallyport-auth/sallyport/server/realm"
)

func runBackup(f *command.Flags) command.Action {
	folder := dirFlag(f)
	return func(ctx context.Context) error {
		if err := backup.Make(ctx, *folder, f.Name(0), time.Now()); err != nil {
			return err
		}
		fmt.Printf("backup written to %s\nIt holds all keys of the realm: keep it as safe as the server itself.\n", f.Name(0))
		return nil
	}
}

func runRestore(f *command.Flags) command.Action {
	o := backup.RestoreOptions{Now: time.Now()}
	gap := uint(realm.DefaultIDGap)
	f.StringVar(&o.Dir, "dir", realm.DefaultDir, "`path` of the realm's folder")
	f.BoolVar(&o.Replace, "replace", false, "move what is there aside")
	f.UintVar(&gap, "id-gap", gap, "how many ids to skip: `number` of accounts and groups that may be lost")
	return func(ctx context.Context) error {
		if gap == 0 || gap > 1<<24 {
			return command.Usage("--id-gap wants a number from 1 to %d", 1<<24)
		}
		o.File, o.IDGap = f.Name(0), uint32(gap)
		r, err := backup.Restore(ctx, o)
		if err != nil {
			return err
		}
		fmt.Printf("realm %s restored in %s from the backup of %s\n", r.Realm, o.Dir, r.Made.Local().Format("2 January 2006 15:04"))
		if r.Aside != "" {
			fmt.Printf("the old folder is %s; it holds keys: delete it when nobody needs it any more\n", r.Aside)
		}
		fmt.Println("Changes made after that backup are lost. Machines drop them at their next contact.")
		return nil
	}
}

func releaseID(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
	id, err := strconv.ParseUint(f.Name(0), 10, 32)
	if err != nil {
		return nil, command.Usage("%q is not an id", f.Name(0))
	}
	return c.ReleaseID(ctx, &v1.ReleaseIDRequest{Id: uint32(id)})
}

// histories shows what people want to know of: not each start, but restores and losses.
func histories(w io.Writer, m *v1.ListHistoriesResponse) {
	for _, h := range m.GetHistories() {
		if h.GetKind() != "start" {
			fmt.Fprintf(w, "%s\t%s\t%s\n", stamp(h.GetBegan()), h.GetKind(), h.GetWhy())
		}
	}
	for _, r := range m.GetReserved() {
		fmt.Fprintf(w, "id %d\tkept for\t%s %s, reported by %s\n", r.GetId(), r.GetName(), r.GetOwner(), r.GetMachine())
	}
}
