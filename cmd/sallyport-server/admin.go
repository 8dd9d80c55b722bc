package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// adminTimeout bounds a command, waiting for another one included.
const adminTimeout = 30 * time.Second

// request calls the server with what the flags were found to hold.
type request func(context.Context, sallyportv1connect.AdminServiceClient, *command.Flags) (proto.Message, error)

// prepare declares the options of a command that asks a running server, or the folder of
// one that does not run.
type prepare func(*command.Flags) request

// admin makes a command of it.
func admin(name, args, help string, declare prepare) command.Row {
	return command.Row{Name: name, Args: args, Help: help, Prepare: func(f *command.Flags) command.Action {
		folder, asJSON := dirFlag(f), f.Bool("json", false, "print JSON, for programs")
		call := declare(f)
		return func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, adminTimeout)
			defer cancel()
			client, closer, err := server.Admin(ctx, *folder, slog.New(slog.NewTextHandler(os.Stderr, nil)))
			if err != nil {
				return err
			}
			answer, err := call(ctx, client, f)
			if err == nil {
				err = shower{url: realm.Address(*folder), asJSON: *asJSON}.show(os.Stdout, answer)
			}
			return errors.Join(err, closer.Close())
		}
	}}
}

func dirFlag(f *command.Flags) *string {
	return f.String("dir", realm.DefaultDir, "`path` of the realm's folder")
}

// plain is a command without options of its own.
func plain(call request) prepare { return func(*command.Flags) request { return call } }

// on is a command on one name.
func on[M proto.Message](method func(sallyportv1connect.AdminServiceClient, context.Context, *v1.NameRequest) (M, error)) prepare {
	return plain(func(ctx context.Context, c sallyportv1connect.AdminServiceClient, f *command.Flags) (proto.Message, error) {
		return method(c, ctx, &v1.NameRequest{Name: f.Name(0)})
	})
}

// all is a command that lists.
func all[M proto.Message](method func(sallyportv1connect.AdminServiceClient, context.Context, *v1.ListRequest) (M, error)) prepare {
	return plain(func(ctx context.Context, c sallyportv1connect.AdminServiceClient, _ *command.Flags) (proto.Message, error) {
		return method(c, ctx, &v1.ListRequest{})
	})
}
