package server

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
)

func TestAdministratorsCommandsWorkBesideAServerAndWithoutOne(t *testing.T) {
	// A folder whose path no socket address could hold.
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := realm.Init(t.Context(), realm.InitOptions{Dir: folder, Realm: "r", Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	if err := realm.Init(t.Context(), realm.InitOptions{Dir: folder, Realm: "r", Listen: "127.0.0.1:0"}); err == nil {
		t.Fatal("a realm was made over another")
	}
	addOne := func(name string) {
		t.Helper()
		client, closer, err := Admin(t.Context(), folder, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.AddAccount(t.Context(), &v1.AddAccountRequest{Name: name}); err != nil {
			t.Error(err)
		}
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	}
	addOne("alice")
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, ServeOptions{Dir: folder, Ready: func(net.Addr, string) { close(ready) }})
	}()
	<-ready
	if err := Serve(t.Context(), ServeOptions{Dir: folder}); err == nil {
		t.Error("two servers serve one folder")
	}
	addOne("bob")
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	addOne("carol")
	client, closer, err := Admin(t.Context(), folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closer.Close() }()
	log, err := client.ListAudit(t.Context(), &v1.ListAuditRequest{})
	if err != nil || len(log.GetRows()) != 4 {
		t.Fatal(log, err)
	}
	for _, row := range log.GetRows() {
		if row.GetActor() != "uid "+strconv.Itoa(os.Getuid()) {
			t.Error(row)
		}
	}
}

func TestCommandsRunAtOnceWaitForEachOther(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "realm")
	if err := realm.Init(t.Context(), realm.InitOptions{Dir: folder, Realm: "r", Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			client, closer, err := Admin(t.Context(), folder, nil)
			if err != nil {
				return err
			}
			defer func() { _ = closer.Close() }()
			_, err = client.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "u" + strconv.Itoa(i)})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
