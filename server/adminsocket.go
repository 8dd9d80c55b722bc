package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/admin"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/server/sshca"
)

// socketPath names DIR/admin.sock through an open folder, because a socket's
// address holds 108 bytes and a folder's path may be longer. Close the file when
// the address has been used.
func socketPath(d realm.Dir) (string, *os.File, error) {
	f, err := os.Open(string(d))
	if err != nil {
		return "", nil, fmt.Errorf("admin socket: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/admin.sock", f.Fd()), f, nil
}

func listenAdmin(ctx context.Context, d realm.Dir) (net.Listener, error) {
	path, f, err := socketPath(d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	// The folder's lock is ours, so a socket that is there is a dead server's.
	if err := os.Remove(filepath.Join(string(d), "admin.sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		// Closing must not unlink by that address: its folder is closed by then.
		u.SetUnlinkOnClose(false)
	}
	if err := os.Chmod(filepath.Join(string(d), "admin.sock"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), l.Close())
	}
	return l, nil
}

type peerKey struct{}

// peerUID asks the kernel who connected.
func peerUID(c net.Conn) (uint32, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, credErr); err != nil {
		return 0, fmt.Errorf("peer credentials: %w", err)
	}
	return cred.Uid, nil
}

// mayAdminister tells whether that user may give orders to a server that runs
// as own.
func mayAdminister(peer, own uint32) bool { return peer == 0 || peer == own }

func adminServer(a *admin.Admin, log *slog.Logger) *http.Server {
	path, handler := sallyportv1connect.NewAdminServiceHandler(a, connect.WithReadMaxBytes(maxRequest))
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			uid, ok := req.Context().Value(peerKey{}).(uint32)
			if !ok || !mayAdminister(uid, uint32(os.Getuid())) { //nolint:gosec // the kernel's uids are 32 bits
				http.Error(w, "only root and the server's own user may use the admin socket", http.StatusForbidden)
				return
			}
			ctx := admin.WithActor(req.Context(), fmt.Sprintf("uid %d", uid))
			mux.ServeHTTP(w, req.WithContext(ctx))
		}),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if uid, err := peerUID(c); err == nil {
				return context.WithValue(ctx, peerKey{}, uid)
			}
			return ctx
		},
		ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Admin opens the administrator's side of the realm in that folder: through the
// admin socket when a server runs, by itself holding the folder when none does.
// While another command holds the folder it waits, as long as ctx lets it. A nil log means nowhere.
func Admin(ctx context.Context, folder string, log *slog.Logger) (sallyportv1connect.AdminServiceClient, io.Closer, error) {
	d := realm.Dir(folder)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	for {
		r, err := realm.Open(ctx, d, "", log, time.Now)
		if err == nil {
			e := auth.New(r, 0)
			return admin.New(r, e, e, request.New(r, nil, sshca.Kind{})), r, nil
		}
		if !errors.Is(err, realm.ErrBusy) {
			return nil, nil, err
		}
		conn, dialErr := dialAdmin(ctx, d)
		if dialErr == nil {
			return adminClient(d, conn)
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%w, and its holder does not answer (%w): wait for the other command, or look at the server's log", err, dialErr)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func dialAdmin(ctx context.Context, d realm.Dir) (net.Conn, error) {
	path, f, err := socketPath(d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return conn, nil
}

func adminClient(d realm.Dir, first net.Conn) (sallyportv1connect.AdminServiceClient, io.Closer, error) {
	conns := make(chan net.Conn, 1)
	conns <- first
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case c := <-conns:
			return c, nil
		default:
			return dialAdmin(ctx, d)
		}
	}}
	return sallyportv1connect.NewAdminServiceClient(&http.Client{Transport: t}, "http://admin.sock"), closer(t.CloseIdleConnections), nil
}

type closer func()

func (c closer) Close() error { c(); return nil }
