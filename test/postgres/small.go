package postgres

import (
	"context"
	"path/filepath"
	"strings"
)

// small becomes a server whose cluster lies on a disk of its own, in a namespace of its own:
// nobody else sees the disk, and it is gone with the server. It takes no root.
const small = `set -e
mkdir "$2"
mount -t tmpfs -o size="$1",mode=0700 disk "$2"
shift 2
"$@" >/dev/null
`

// StartSmall is Start with a disk of that size for the cluster, as "100m". What runs there
// cannot be started again.
func StartSmall(ctx context.Context, size string) (*Server, error) {
	s, err := prepared()
	if err != nil {
		return nil, err
	}
	quoted := func(program string, args []string) string {
		return "'" + strings.Join(append([]string{filepath.Join(s.bin, program)}, args...), "' '") + "'"
	}
	c := s.command(context.WithoutCancel(ctx), "postgres")
	c.Path = "/usr/bin/unshare"
	c.Args = append([]string{
		"unshare", "--map-current-user", "--keep-caps", "--mount", "sh", "-c",
		small + "exec " + quoted("postgres", s.options()), "sh", size, filepath.Join(s.dir, "data"), filepath.Join(s.bin, "initdb"),
	}, initdb(s.dir)...)
	return s, s.serve(ctx, c)
}

// Fill takes all the room of a small server's disk, by a file that the server itself makes.
func (s *Server) Fill(ctx context.Context) error {
	return s.run(ctx, `COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; dd if=/dev/zero of=filler bs=64k 2>/dev/null || true'`)
}

// Room gives it back.
func (s *Server) Room(ctx context.Context) error {
	return s.run(ctx, `COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; rm filler'`)
}
