package test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Folders of what "sallyport-server card-keys" makes, on the machine.
const (
	ourKeys      = "/srv/cards"
	otherKeys    = "/srv/others"    // of another realm
	strangerKeys = "/srv/strangers" // of this realm's name, by somebody else
)

// serveCards runs the server with the card service's files of a folder; "": without.
func (d *desk) serveCards(folder string) {
	d.t.Helper()
	must(d.t, d.Server.Stop(d.t.Context()))
	d.startServerFor(folder)
	must(d.t, d.WaitOnline(d.t.Context()))
}

func (d *desk) startServerFor(folder string) {
	d.t.Helper()
	words := []string{"serve", "--dir", "/srv/sallyport"}
	if folder != "" {
		words = append(words, "--card-service-key", folder+"/service.key", "--card-service-cert", folder+"/service.cert",
			"--card-middleware-keys", ourKeys+"/middleware-keys.pem")
	}
	p, err := d.Start(d.whole.Context(), "/usr/sbin/sallyport-server", words...)
	must(d.t, err)
	d.Server = p
	must(d.t, p.Output.Wait(d.t.Context(), "ready on"))
}

// trusts restarts the daemon with that [cards] in place of the one before.
func (d *desk) trusts(mode, key, roots string, index int) {
	d.t.Helper()
	script(d.t, d.Realm, "install -o sallyport -g sallyport -m 0600 "+key+"/card-service.key /etc/sallyport/card-service.key")
	must(d.t, d.Daemon.Stop(d.t.Context()))
	const file, mark = "/etc/sallyport/sallyportd.toml", "\n# Cards.\n"
	text, err := os.ReadFile(d.Path(file))
	must(d.t, err)
	before, _, _ := strings.Cut(string(text), mark)
	must(d.t, d.WriteFile("/etc/sallyport/card-roots.pem", string(readOn(d, roots+"/card-service-roots.pem")), 0o644))
	must(d.t, d.WriteFile(file, before+mark+fmt.Sprintf("[cards]\nmutual = %q\nmutual_key = \"/etc/sallyport/card-service.key\"\n"+
		"mutual_roots = \"/etc/sallyport/card-roots.pem\"\nmutual_index = %d\n", mode, index), 0o644))
	must(d.t, d.StartDaemon(d.whole.Context()))
	must(d.t, d.WaitOnline(d.t.Context()))
}

func readOn(d *desk, path string) []byte {
	d.t.Helper()
	b, err := os.ReadFile(d.Path(path))
	must(d.t, err)
	return b
}

// noPIN logs in by password, with a card in the reader for which nobody is asked.
func (d *desk) noPIN(why string) {
	d.t.Helper()
	screen := d.logsIn("assword: ", adaPass)
	if !strings.Contains(screen, why) || strings.Contains(screen, "PIN for") {
		d.t.Errorf("nobody is told %q, or a PIN is asked for:\n%s", why, screen)
	}
}

// administratorReads wants status and doctor to say that, and how to mend it.
func (d *desk) administratorReads(detail, mend string) {
	d.t.Helper()
	for _, command := range []string{"status", "doctor"} {
		out := script(d.t, d.Realm, "sallyport "+command+" || :")
		if !strings.Contains(out, detail) || !strings.Contains(out, mend) {
			d.t.Errorf("sallyport %s says neither %q nor %q:\n%s", command, detail, mend, out)
		}
	}
}

// TestAPINIsAskedForOnlyAfterTheMutualProof has a right card in
// the reader all the time, and changes what the two know of each other.
// Promise mutual-machine.
// Promise clients-renewed.
func TestAPINIsAskedForOnlyAfterTheMutualProof(t *testing.T) {
	d := carded(t)
	d.mine()
	script(t, d.Realm, "sallyport-server card-keys "+ourKeys+" --realm example; sallyport-server card-keys "+otherKeys+" --realm other; "+
		"sallyport-server card-keys "+strangerKeys+" --realm example")
	const unproved = "Server and card service are not proved to each other."
	d.serveCards(ourKeys)
	d.step("both are right", func(d *desk) {
		d.trusts("always", ourKeys, ourKeys, 0)
		d.logsIn("PIN (", cardPIN)
		d.logsIn("PIN (", "", "assword: ", adaPass) // for later, offline
		if out := script(d.t, d.Realm, "sallyport status || true"); strings.Contains(out, "prove themselves") {
			d.t.Errorf("status says %s", out)
		}
	})
	d.step("other authorities count from a reload on", func(d *desk) {
		must(d.t, d.WriteFile("/etc/sallyport/card-roots.pem", string(readOn(d, strangerKeys+"/card-service-roots.pem")), 0o644))
		d.logsIn("PIN (", cardPIN)
		must(d.t, d.Daemon.Signal(syscall.SIGHUP))
		must(d.t, ready(d.t, d.Realm, "the settings are read anew"))
		must(d.t, d.WaitOnline(d.t.Context()))
		d.noPIN(unproved)
		d.trusts("always", ourKeys, ourKeys, 0)
	})
	d.step("offline, always", func(d *desk) {
		must(d.t, d.Server.Stop(d.t.Context()))
		must(d.t, d.WaitOffline(d.t.Context()))
		d.noPIN("No card is used here without the server.")
		d.administratorReads("did not prove themselves to each other", `mutual = "online"`)
		d.startServerFor(ourKeys)
		must(d.t, d.WaitOnline(d.t.Context()))
	})
	d.step("offline, online", func(d *desk) {
		d.trusts("online", ourKeys, ourKeys, 0)
		must(d.t, d.Server.Stop(d.t.Context()))
		must(d.t, d.WaitOffline(d.t.Context()))
		d.logsIn("PIN (", cardPIN)
		d.startServerFor(ourKeys)
		must(d.t, d.WaitOnline(d.t.Context()))
	})
	d.step("an index that the server has no key for", func(d *desk) {
		d.trusts("online", ourKeys, ourKeys, 7)
		d.noPIN(unproved)
		d.administratorReads("the server does not know this machine's card service", "mutual_index")
	})
	d.step("a key that the server does not know", func(d *desk) {
		d.trusts("always", strangerKeys, ourKeys, 0)
		d.noPIN(unproved)
		d.administratorReads("refused", "mutual_key")
	})
	d.step("a server certified by somebody else", func(d *desk) {
		d.trusts("always", ourKeys, strangerKeys, 0)
		d.noPIN(unproved)
		d.administratorReads("certificate signed by unknown authority", "mutual_roots")
	})
	d.step("no card is enrolled either", func(d *desk) {
		o := d.talks("sallyport enrol piv --generate --force", "Password: ", adaPass)
		if o.Code == 0 || !strings.Contains(o.Screen, unproved) || strings.Contains(o.Screen, "PIN of") {
			d.t.Errorf("%d\n%s", o.Code, o.Screen)
		}
	})
	d.step("the certificate of another realm", func(d *desk) {
		d.serveCards(otherKeys)
		d.trusts("always", ourKeys, otherKeys, 0)
		d.noPIN(unproved)
		d.administratorReads(`not of the realm "example"`, "mutual_roots")
	})
	d.step("a server that has no such thing", func(d *desk) {
		d.serveCards("")
		d.trusts("always", ourKeys, ourKeys, 0)
		d.noPIN(unproved)
		d.administratorReads("the server does not prove itself to card services", "card-keys")
	})
	d.step("a key that cannot be read", func(d *desk) {
		d.trusts("always", ourKeys, ourKeys, 0)
		script(d.t, d.Realm, "rm /etc/sallyport/card-service.key")
		must(d.t, d.Daemon.Stop(d.t.Context()))
		must(d.t, d.StartDaemon(d.whole.Context()))
		must(d.t, d.WaitOnline(d.t.Context()))
		d.noPIN(unproved)
		d.administratorReads("read the card service's key", "log of sallyportd")
		d.trusts("always", ourKeys, ourKeys, 0)
	})
	d.step("both are right again", func(d *desk) {
		d.serveCards(ourKeys)
		d.logsIn("PIN (", cardPIN)
	})
}
