package userdb_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
	"github.com/sallyport-auth/sallyport/nss/userdb"
)

const (
	adaID  = 1879048192
	bobID  = 1879048193
	crewID = 1879049000
)

// village is a view of two people who are in one group.
type village struct{}

func person(name string, id uint32, local ...uint32) identity.Listed {
	return identity.Listed{
		Account:  identity.Account{Name: identity.Name(name), UID: id, GID: id, FullName: "Person " + name, Home: "/home/" + name, Shell: "/bin/bash"},
		GroupIDs: identity.GroupIDs{GIDs: []uint32{id, crewID}, Local: local},
	}
}

func (village) Accounts() iter.Seq[*identity.Listed] {
	ada, bob := person("ada", adaID, 27), person("bob", bobID)
	return slices.Values([]*identity.Listed{&ada, &bob})
}

func (village) Groups() iter.Seq[identity.ListedGroup] {
	return slices.Values([]identity.ListedGroup{
		{Group: identity.Group{Name: "ada", GID: adaID}}, {Group: identity.Group{Name: "bob", GID: bobID}}, {Group: identity.Group{Name: "crew", GID: crewID}},
	})
}

// write publishes a view; absent says that what it lacks does not exist.
func write(t *testing.T, path string, absent bool) {
	t.Helper()
	f, err := os.Create(path + ".new")
	if err != nil {
		t.Fatal(err)
	}
	o := snapshot.Options{Realms: []snapshot.Realm{{Name: "example"}}, Aliases: true, Standing: identity.DirectoryStanding{Until: identity.Forever(), Absent: absent}}
	if absent {
		o.AbsentUntil = time.Now().Add(time.Hour)
	}
	if _, err := snapshot.Write(f, village{}, o); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// house is a server with its files.
type house struct {
	t              *testing.T
	dir, file      string
	passwd, group  string
	lookup, socket string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &house{t, dir, dir + "/directory", dir + "/passwd", dir + "/group", dir + "/lookup.sock", dir + "/io.sallyport"}
	h.put(h.passwd, "root:x:0:0::/:/bin/sh\n")
	h.put(h.group, "root:x:0:\nsudo:x:27:\n")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s := &userdb.Server{Log: slog.New(slog.DiscardHandler), Directory: &userdb.Directory{File: h.file, Socket: h.lookup, Passwd: h.passwd, Group: h.group, Deadline: time.Hour}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) put(path, text string) {
	h.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("unix", h.socket)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	h.t.Cleanup(func() { _ = c.Close() })
	return c
}

// call returns the replies as JSON, one a line, without the part that all have.
func (h *house) call(text string) string {
	h.t.Helper()
	c := h.dial()
	if _, err := c.Write(append([]byte(text), 0)); err != nil {
		h.t.Fatal(err)
	}
	in, all := bufio.NewReader(c), []string{}
	for {
		b, err := in.ReadBytes(0)
		if err != nil {
			h.t.Fatalf("%s: %v after %q", text, err, all)
		}
		var r struct {
			Continues bool `json:"continues"`
		}
		if err := json.Unmarshal(b[:len(b)-1], &r); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, string(b[:len(b)-1]))
		if !r.Continues {
			return strings.Join(all, "\n")
		}
	}
}

func get(method, parameters string, more bool) string {
	if parameters != "" {
		parameters += ","
	}
	return fmt.Sprintf(`{"method":"io.systemd.UserDatabase.%s","parameters":{%s"service":"io.sallyport"},"more":%t}`, method, parameters, more)
}
