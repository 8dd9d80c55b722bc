package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

const (
	daemonUnit  = "sallyportd.service"
	socketUnit  = "sallyportd.socket"
	daemonPath  = "/usr/sbin/sallyportd"
	daemonQuick = 3 * time.Second // for the daemon's answer; it needs milliseconds
)

// unit is what systemd says of one. Empty where systemd does not run, or does not answer.
type unit map[string]string

// showUnit asks systemd.
func (h *Host) showUnit(ctx context.Context, name string) unit {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := h.run(ctx, "systemctl", "show", "--timestamp=unix", "-p",
		"LoadState,UnitFileState,ActiveState,SubState,Result,MainPID,ExecMainStatus,ExecMainStartTimestamp,NeedDaemonReload,ConditionResult,DropInPaths,FragmentPath", name)
	u := unit{}
	if err != nil {
		return u
	}
	for line := range strings.Lines(out) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			u[key] = value
		}
	}
	return u
}

func (u unit) known() bool { return u["ActiveState"] != "" }

func (u unit) active() bool { return u["ActiveState"] == "active" }

// state is for people: "failed (exit-code)", "activating (auto-restart)".
func (u unit) state() string {
	if r := u["Result"]; u["ActiveState"] == "failed" && r != "" {
		return "failed (" + r + ")"
	}
	return u["ActiveState"] + " (" + u["SubState"] + ")"
}

func (u unit) started() (time.Time, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(u["ExecMainStartTimestamp"], "@"), 10, 64)
	return time.Unix(n, 0), err == nil && n > 0
}

// startedAt is since when the main process of a unit runs.
func (h *Host) startedAt(ctx context.Context, name string) (time.Time, bool) {
	u := h.showUnit(ctx, name)
	at, known := u.started()
	return at.Add(time.Second), known && u.active()
}

// lastWords is the last line that a unit's process wrote which tells of a fault.
func (h *Host) lastWords(ctx context.Context, name string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := h.run(ctx, "journalctl", "-q", "-u", name, "-n", "60", "-o", "cat", "--no-pager")
	if err != nil {
		return "(its journal cannot be read: " + firstLine(out, err) + ")"
	}
	last := ""
	for line := range strings.Lines(out) {
		if said := saidBy(strings.TrimSpace(line)); said != "" {
			last = said
		}
	}
	if last == "" {
		return "(its journal has none)"
	}
	return last
}

var (
	quotedError = regexp.MustCompile(` error=("(?:[^"\\]|\\.)*"|\S+)`)
	bySystemd   = regexp.MustCompile(`^(sallyportd?|ssh)\.(service|socket): |^(Starting|Started|Stopping|Stopped|Listening on|Closed|Failed to start|Failed to kill|Reached) `)
)

// saidBy is what a line of the journal says of a fault, or "".
func saidBy(line string) string {
	switch {
	case line == "" || strings.Contains(line, "level=INFO") || strings.Contains(line, "level=DEBUG"):
		return ""
	case strings.HasPrefix(line, "time="):
		if m := quotedError.FindStringSubmatch(line); m != nil {
			if text, err := strconv.Unquote(m[1]); err == nil {
				return text
			}
			return m[1]
		}
		_, msg, _ := strings.Cut(line, "msg=")
		return msg
	case bySystemd.MatchString(line):
		if _, why, found := strings.Cut(line, ": Failed at step "); found {
			return "Failed at step " + why
		}
		return "" // systemd's own housekeeping
	}
	return strings.TrimPrefix(line, "sallyportd: ")
}

// Unreachable tells why the daemon does not answer; err is what asking it came to. It is
// for commands that need the daemon.
func (h *Host) Unreachable(ctx context.Context, err error) []report.Finding {
	c, _ := config.Load(h.configPath())
	var all []report.Finding
	for _, ch := range checks() {
		if ch.name != "configuration" && ch.name != "files" {
			continue
		}
		for _, f := range ch.look(ctx, h, c) {
			if f.Check = ch.name; f.Severity == report.Problem {
				all = append(all, f)
			}
		}
	}
	f := h.judgeSilence(ctx, c, err)
	f.Check = "daemon"
	return append(all, f)
}

func runDir(c *config.Config) string {
	if c != nil {
		return c.Paths.Run
	}
	return config.Defaults().Paths.Run
}

// judgeSilence finds the one cause of a daemon that does not answer.
func (h *Host) judgeSilence(ctx context.Context, c *config.Config, err error) report.Finding {
	service, socket := h.showUnit(ctx, daemonUnit), h.showUnit(ctx, socketUnit)
	path := filepath.Join(runDir(c), "control.sock")
	if !service.known() {
		return trouble.DaemonSilent.Finding("WHY", err.Error())
	}
	for name, u := range map[string]unit{daemonUnit: service, socketUnit: socket} {
		if u["LoadState"] == "masked" {
			return h.judgeMask(name)
		}
	}
	_, gone := os.Stat(h.path(path))
	switch {
	case service["LoadState"] == "not-found":
		return trouble.UnitMissing.Finding()
	case service.active():
		return h.judgeRunning(service, socket, path, gone, err)
	case service["Result"] == "start-limit-hit" || socket["Result"] == "trigger-limit-hit" || socket["Result"] == "service-start-limit-hit":
		return trouble.UnitLimit.Finding("WHY", h.lastWords(ctx, daemonUnit))
	case service["ActiveState"] != "failed" && service["SubState"] != "auto-restart" && service["ConditionResult"] == "no" && c == nil:
		return trouble.UnitCondition.Finding("WHY", h.configFile()+" does not exist")
	}
	return h.judgeFailure(ctx, service)
}

func (h *Host) judgeMask(name string) report.Finding {
	if target, err := os.Readlink(h.path("/run/systemd/system/" + name)); err == nil && target == "/dev/null" {
		mend := "sudo systemctl unmask --runtime {UNIT} && sudo systemctl start sallyportd.socket sallyportd.service"
		return trouble.UnitMasked.Mended(mend, "UNIT", name)
	}
	return trouble.UnitMasked.Finding("UNIT", name)
}

// judgeRunning: the daemon runs, and nobody reaches it.
func (h *Host) judgeRunning(service, socket unit, path string, gone, err error) report.Finding {
	switch {
	case gone != nil && errors.Is(gone, os.ErrNotExist):
		return trouble.SocketsGone.Finding("FILE", path)
	case errors.Is(err, syscall.EACCES):
		info, _ := os.Stat(h.path(path)) // there, or the case above
		return trouble.SocketMode.Finding("FILE", path, "MODE", modeOf(info))
	case socket.known() && !socket.active():
		return trouble.SocketInactive.Finding("STATE", socket.state())
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		return trouble.DaemonHangs.Finding("PID", service["MainPID"], "STATE", h.processState(service["MainPID"]))
	}
	return trouble.DaemonSilent.Finding("WHY", err.Error())
}

// judgeFailure: the daemon does not run.
func (h *Host) judgeFailure(ctx context.Context, service unit) report.Finding {
	why := h.lastWords(ctx, daemonUnit)
	info, err := os.Stat(h.path(daemonPath))
	switch {
	case err != nil:
		return trouble.ProgramMissing.Finding("FILE", daemonPath)
	case service["ExecMainStatus"] == "203" && info.Mode().Perm()&0o111 != 0o111:
		return trouble.UnitExec.Finding("FILE", daemonPath, "MODE", modeOf(info))
	case service["ExecMainStatus"] == "217":
		return trouble.UnitUser.Finding("WHY", why)
	case service["ActiveState"] == "inactive":
		return trouble.UnitStopped.Finding("STATE", service.state())
	}
	for file := range strings.FieldsSeq(service["DropInPaths"]) {
		if strings.HasPrefix(file, "/etc/") || strings.HasPrefix(file, "/run/") {
			return trouble.UnitDropIn.Finding("FILE", file)
		}
	}
	if denied := h.denials(ctx); denied != "" {
		return trouble.DaemonDenied.Finding("WHY", denied)
	}
	return trouble.UnitFailed.Finding("STATE", service.state(), "WHY", why)
}

// denials is the last time that AppArmor denied the daemon something.
func (h *Host) denials(ctx context.Context) string {
	if _, err := os.Stat(h.path("/sys/kernel/security/apparmor/profiles")); err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := h.run(ctx, "journalctl", "-q", "-k", "-b", "-n", "2000", "-o", "cat", "--no-pager")
	if err != nil {
		return ""
	}
	last := ""
	for line := range strings.Lines(out) {
		if strings.Contains(line, `apparmor="DENIED"`) && strings.Contains(line, "sallyport") {
			last = strings.TrimSpace(line)
		}
	}
	return last
}

// processState is the letter of proc(5) in words.
func (h *Host) processState(pid string) string {
	text, err := os.ReadFile(h.path(filepath.Join("/proc", filepath.Base(pid), "stat")))
	_, after, found := bytes.Cut(text, []byte(") "))
	if err != nil || !found || len(after) == 0 {
		return "unknown"
	}
	switch after[0] {
	case 'T', 't':
		return "stopped by a signal"
	case 'D':
		return "waiting for a device"
	default:
		return fmt.Sprintf("%q", after[0])
	}
}

// lookUnit says what is wrong with the units while the daemon answers.
func lookUnit(ctx context.Context, h *Host, c *config.Config) []report.Finding {
	service, socket := h.showUnit(ctx, daemonUnit), h.showUnit(ctx, socketUnit)
	if !service.known() {
		return nil
	}
	var all []report.Finding
	for name, u := range map[string]unit{daemonUnit: service, socketUnit: socket} {
		if u["LoadState"] == "masked" && service.active() {
			all = append(all, h.judgeMask(name))
		}
		if u["NeedDaemonReload"] == "yes" {
			all = append(all, trouble.UnitReload.Finding("UNIT", name))
		}
	}
	enabled := func(u unit) bool { return strings.HasPrefix(u["UnitFileState"], "enabled") }
	if !enabled(service) && !enabled(socket) && service["LoadState"] == "loaded" {
		all = append(all, trouble.UnitDisabled.Finding())
	}
	if socket.known() && !socket.active() && service.active() && socket["LoadState"] == "loaded" {
		all = append(all, trouble.SocketInactive.Finding("STATE", socket.state()))
	}
	if info, err := os.Stat(h.path(runDir(c))); err == nil && info.Mode().Perm()&0o055 != 0o055 {
		all = append(all, trouble.RunFolder.Finding("FOLDER", runDir(c), "MODE", modeOf(info)))
	}
	for _, name := range []string{"lookup.sock", "pam.sock", "control.sock"} {
		path := filepath.Join(runDir(c), name)
		info, err := os.Stat(h.path(path))
		switch {
		case err != nil && service.active():
			all = append(all, trouble.SocketsGone.Finding("FILE", path))
		case err == nil && info.Mode().Perm() != 0o666:
			all = append(all, trouble.SocketMode.Finding("FILE", path, "MODE", modeOf(info)))
		}
	}
	return all
}

// askDaemon asks for the daemon's own view, and waits no longer than a person would.
func (h *Host) askDaemon(ctx context.Context, c *config.Config) (report.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, daemonQuick)
	defer cancel()
	return control.One[report.Status](ctx, control.Client{Path: h.path(filepath.Join(runDir(c), "control.sock"))}, report.VerbStatus, nil) //nolint:wrapcheck // it says what it was doing
}
