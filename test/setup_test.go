package test

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// unpacked is a booted machine with the files of the project on it, and nothing else.
func unpacked(t *testing.T) *machine.Booted { t.Helper(); return unpackedWith(t, machine.Extras{}) }

// unpackedWith is unpacked with another container.
func unpackedWith(t *testing.T, extras machine.Extras) *machine.Booted {
	t.Helper()
	root, err := machine.RepoRoot()
	must(t, err)
	m, err := machine.New()
	must(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, m.Unpack(t.Context(), root))
	_, err = m.Script(t.Context(), `
		useradd -m -s /bin/bash `+local+`
		printf '%s:%s\n' `+local+` '`+localPass+`' root '`+rootPass+`' | chpasswd
		ssh-keygen -q -t ed25519 -N '' -f `+adaKey)
	must(t, err)
	b, err := m.BootWith(t.Context(), extras)
	must(t, err)
	return b
}

// Promise server-setup.
func TestServerSetupMakesARealmInOneCommand(t *testing.T) {
	b := unpacked(t)
	t.Run("it asks, so it needs a terminal or --yes", func(t *testing.T) {
		mentions(t, in(t, b, "rc=0; sallyport-server setup --realm example 2>&1 </dev/null || rc=$?; test $rc = 64; test ! -e /var/lib/sallyport-server"), "Nothing was done.")
	})
	t.Run("without a realm each command says how to make one", func(t *testing.T) {
		mentions(t, in(t, b, "sallyport-server account list 2>&1 || true"), `no realm in /var/lib/sallyport-server: make one with "sallyport-server setup"`)
	})
	t.Run("asked at a terminal, nothing typed is the default", func(t *testing.T) {
		c, err := b.At(t.Context(), "sallyport-server setup")
		must(t, err)
		must(t, c.Talk(t.Context(), "Name of the realm", "example", "Address to listen at [:8443]: ", "", "reach this server by", "id.example",
			"Login name", ada, "Password for ada: ", adaPass, "Name of the first machine", "laptop"))
		out, code, err := c.Wait(t.Context())
		must(t, err)
		if code != 0 {
			t.Errorf("exit code %d:\n%s", code, out)
		}
		mentions(t, out, "Name of the realm", "Address to listen at [:8443]", "The account ada is made.",
			"On the machine: sudo sallyport join --server https://id.example:8443 --code ")
		if strings.Contains(out, adaPass) {
			t.Errorf("the password is on the screen:\n%s", out)
		}
		mentions(t, in(t, b, "stat -c '%U %G %a' /var/lib/sallyport-server; find /var/lib/sallyport-server ! -user sallyport-server; systemctl is-enabled sallyport-server; systemctl is-active sallyport-server"),
			"sallyport-server sallyport-server 700\nenabled\nactive")
		mentions(t, in(t, b, "sallyport-server account show ada"), "password")
	})
	t.Run("again, it says what is there and changes nothing", func(t *testing.T) {
		const state = "sallyport-server audit --json | sha256sum; sha256sum /var/lib/sallyport-server/server.json"
		before := in(t, b, state)
		mentions(t, in(t, b, "echo 'another password' | sallyport-server setup --yes --account ada"),
			"The realm example is in /var/lib/sallyport-server already and stays as it is.",
			"The account ada is there already and stays as it is.", "sudo sallyport-server machine add NAME")
		mentions(t, in(t, b, "sallyport-server setup --yes --realm other 2>&1 || echo exit $?"), "holds the realm example already", "exit 1")
		if after := in(t, b, state); after != before {
			t.Errorf("changed: %s, was %s", after, before)
		}
	})
	t.Run("a folder that root made by hand becomes the server's", func(t *testing.T) {
		in(t, b, `systemctl disable --now sallyport-server; rm -r /var/lib/sallyport-server
			sallyport-server init --dir /var/lib/sallyport-server --realm byhand --listen 127.0.0.1:8443; ! systemctl start sallyport-server 2>/dev/null || systemctl stop sallyport-server`)
		mentions(t, in(t, b, "sallyport-server setup --yes; systemctl is-active sallyport-server; find /var/lib/sallyport-server ! -user sallyport-server"), "The realm byhand is in", "active")
	})
}
