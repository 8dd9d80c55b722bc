package test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/trouble"
)

const serverFolder = "/var/lib/sallyport-server"

// ward is a machine under systemd, with server, daemon and sshd as units, where ada may
// log in: every case breaks it, and what is printed mends it.
type ward struct {
	*machine.Booted
	t *testing.T
}

func newWard(t *testing.T) *ward {
	t.Helper()
	r := bare(t)
	b, err := r.BootWith(t.Context(), machine.Extras{Units: []string{"sallyportd.service", "sallyportd.socket", "sallyport-subids.path", "ssh.service", "cron.service", "systemd-journald.service"}})
	must(t, err)
	w := &ward{b, t}
	w.do(`
		install -d -o sallyport-server -g sallyport-server -m 0700 ` + serverFolder + `
		runuser -u sallyport-server -- sallyport-server init --dir ` + serverFolder + ` --realm example --listen 127.0.0.1:8443
		systemctl start sallyport-server`)
	w.until(func() error {
		_, err := w.In(t.Context(), "sallyport-server account list --dir "+serverFolder)
		return err
	})
	w.do(`
		D="--dir ` + serverFolder + `"
		sallyport-server account add ada $D
		echo '` + adaPass + `' | sallyport-server account set-password ada $D`)
	w.join("machine add laptop")
	w.do("systemctl enable --now sallyportd.service; systemctl restart ssh; systemctl is-active ssh")
	w.until(w.wellAgain)
	return w
}

func (w *ward) do(lines string) string { w.t.Helper(); return in(w.t, w.Booted, lines) }

func (w *ward) until(ask func() error) {
	w.t.Helper()
	must(w.t, w.Eventually(w.t.Context(), ask))
}

// join joins the machine with what a command of the server prints.
func (w *ward) join(command string) {
	w.t.Helper()
	w.do("sallyport join --yes --no-host " + w.words(command))
}

func (w *ward) words(command string) string {
	w.t.Helper()
	out := w.do("sallyport-server " + command + " --dir " + serverFolder + " --json")
	code := regexp.MustCompile(`"code":\s*"([^"]+)"`).FindStringSubmatch(out)
	pin := regexp.MustCompile(`"fingerprint":\s*"([^"]+)"`).FindStringSubmatch(out)
	if code == nil || pin == nil {
		w.t.Fatalf("%s printed %s", command, out)
	}
	return fmt.Sprintf("--server https://127.0.0.1:8443 --code '%s' --fingerprint '%s'", code[1], pin[1])
}

// findings are what doctor, or explain, says now.
func (w *ward) findings(ask string) ([]report.Finding, error) {
	out, err := w.In(w.t.Context(), "rc=0; "+ask+" --json 2>/dev/null || rc=$?; echo; echo rc=$rc")
	if err != nil {
		return nil, err
	}
	text, rc, _ := strings.Cut(out, "\nrc=")
	var list []report.Finding
	if strings.Contains(ask, "explain") {
		var x report.Explanation
		if err := json.Unmarshal([]byte(text), &x); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		list = x.Steps
	} else if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	worst := slices.ContainsFunc(list, func(f report.Finding) bool { return f.Severity == report.Problem })
	if (strings.TrimSpace(rc) == "1") != worst {
		return list, fmt.Errorf("%s ends with exit code %s and a problem is %t", ask, rc, worst)
	}
	return list, nil
}

func (w *ward) wellAgain() error { return w.well("sallyport doctor") }

// well tells what is still wrong.
func (w *ward) well(ask string) error {
	list, err := w.findings(ask)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.Severity == report.Problem {
			return fmt.Errorf("%s: %s: %s (do: %s)", ask, f.Cause, f.Detail, f.Mend)
		}
	}
	return nil
}

// sick is one way to break a machine.
type sick struct {
	name, breaks string
	cause        trouble.ID
	ask          string             // "sallyport doctor" where it is empty
	typed        func(*ward) string // what stands for CODE and the like; nil: the mend as it is
	undo         string             // after the mend, for what the mend need not undo
	stays        bool               // the mend leaves the machine another than it was
	late         bool               // the daemon notices by itself, after a while
}

// try breaks the machine, and types what is printed.
func (w *ward) try(s sick) {
	w.t.Helper()
	ask := s.ask
	if ask == "" {
		ask = "sallyport doctor"
	}
	w.do(s.breaks)
	var list []report.Finding
	find := func() (err error) {
		list, err = w.findings(ask)
		if err == nil && !slices.ContainsFunc(list, func(f report.Finding) bool { return f.Cause == string(s.cause) }) {
			err = fmt.Errorf("it is not named %s:\n%s", s.cause, told(list))
		}
		return err
	}
	if s.late {
		w.until(find)
	} else if err := find(); err != nil {
		w.t.Error(err)
		return
	}
	at := slices.IndexFunc(list, func(f report.Finding) bool { return f.Cause == string(s.cause) })
	if first := slices.IndexFunc(list, func(f report.Finding) bool { return f.Severity == report.Problem }); first >= 0 && list[at].Severity == report.Problem && first != at {
		w.t.Errorf("%s is not said first:\n%s", s.cause, told(list))
	}
	for _, f := range list {
		if f.Cause == string(s.cause) {
			w.typeIn(s, strings.TrimPrefix(f.Mend, trouble.OnServer))
		}
	}
	w.do(s.undo)
	w.until(func() error { return w.well(ask) })
	if after, err := w.findings(ask); err != nil || slices.ContainsFunc(after, func(f report.Finding) bool { return f.Cause == string(s.cause) }) {
		w.t.Errorf("%s is still named after %q (%v):\n%s", s.cause, list[at].Mend, err, told(after))
	}
	if s.ask == "" && !s.stays {
		w.until(func() error {
			_, err := w.In(w.t.Context(), "echo '"+adaPass+"' | sallyport auth-test ada --service login")
			return err
		})
	}
}

// typeIn types one mend.
func (w *ward) typeIn(s sick, mend string) {
	w.t.Helper()
	switch {
	case s.typed != nil:
		mend = s.typed(w)
	case !trouble.IsCommand(mend):
		w.t.Errorf("the mend of %s cannot be typed: %q", s.cause, mend)
		return
	case strings.HasPrefix(mend, "sudo sallyport-server ") && !strings.Contains(mend, "--dir"):
		mend += " --dir " + serverFolder
	}
	if out, err := w.In(w.t.Context(), mend); err != nil {
		w.t.Errorf("%s\nprinted %s (%v)", mend, out, err)
	}
}

func told(list []report.Finding) string {
	var b strings.Builder
	for _, f := range list {
		if f.Severity != report.OK {
			fmt.Fprintf(&b, "%s %s: %s\n    do: %s\n", f.Severity, f.Cause, f.Detail, f.Mend)
		}
	}
	return b.String()
}

// run tries each case on one machine, and takes a new one when a machine could not be
// mended.
func tryAll(t *testing.T, cases []sick) {
	t.Helper()
	w := newWard(t)
	for _, s := range cases {
		ok := t.Run(s.name, func(t *testing.T) {
			w.t = t
			w.try(s)
		})
		if !ok {
			w.t = t
			if err := w.wellAgain(); err != nil {
				t.Fatalf("after %q the machine is not well: %v", s.name, err)
			}
		}
	}
}
