package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// readingInit is "init --read-only".
type readingInit struct{ file string }

func (r readingInit) run(ctx context.Context, o realm.InitOptions) error {
	if o.SealKey != "" {
		return command.Usage("--read-only makes a server that does not have the realm's seal.key: leave --seal-key out")
	}
	if _, err := os.Stat(r.file); err == nil {
		return fmt.Errorf("%s is there already: name a file that is not", r.file)
	}
	q, err := realm.InitReading(ctx, o)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(q, "", "\t")
	print, err2 := q.Fingerprint()
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	if err := os.WriteFile(r.file, append(text, '\n'), 0o644); err != nil { //nolint:gosec // nothing in it is secret
		return fmt.Errorf("write the request: %w", err)
	}
	fmt.Printf("a server of the realm %s that only reads, with its folder in %s\n", q.Realm, o.Dir)
	fmt.Printf("fingerprint of the request: %s\n", print)
	fmt.Printf("now run on a full server: sallyport-server server admit %s   (add --codes to let it check one-time codes)\n", r.file)
	fmt.Printf("then here: sallyport-server serve --dir %s\n", o.Dir)
	return nil
}

// serverAdmit admits a server that only reads.
func serverAdmit(f *command.Flags) request {
	req := &v1.AdmitServerRequest{}
	f.BoolVar(&req.Codes, "codes", false, "let it check one-time codes: it gets their secrets, encrypted to its key")
	realmKeyFlag(f, &req.RealmKey)
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		defer clear(req.RealmKey)
		text, err := os.ReadFile(f.Name(0))
		if err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		q := new(realm.ReaderRequest)
		if err := json.Unmarshal(text, q); err != nil {
			return nil, fmt.Errorf("%s is not what \"init --read-only\" wrote: %w", f.Name(0), err)
		}
		print, err := q.Fingerprint()
		if err != nil {
			return nil, err
		}
		req.Request = text
		view, err := c.AdmitServer(ctx, req)
		if err == nil {
			fmt.Fprintf(os.Stderr, "fingerprint of the request: %s\nIf \"init\" printed another one at that server: sallyport-server server remove %s\n", print, view.GetId())
		}
		return view, err
	}
}

// serverRemove forgets a server of either kind.
func serverRemove(f *command.Flags) request {
	req := &v1.RemoveServerRequest{}
	realmKeyFlag(f, &req.RealmKey)
	return func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		defer clear(req.RealmKey)
		req.Name = f.Name(0)
		return c.RemoveServer(ctx, req)
	}
}
