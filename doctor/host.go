package doctor

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// moduleDirs are where distributions keep shared libraries.
func moduleDirs() []string {
	return []string{
		"/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
		"/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib", "/lib", "/usr/local/lib",
	}
}

func (h *Host) findModule(name string) string {
	for _, d := range moduleDirs() {
		if _, err := os.Stat(h.path(filepath.Join(d, name))); err == nil {
			return filepath.Join(d, name)
		}
	}
	return ""
}

// judgeModule checks a shared library of ours: there, readable by the programs of people,
// and made for this machine.
func (h *Host) judgeModule(name string, missing, mode, broken trouble.ID) []report.Finding {
	path := h.findModule(name)
	if path == "" {
		return []report.Finding{missing.Finding()}
	}
	info, err := os.Stat(h.path(path))
	if err != nil || info.Mode().Perm()&0o044 != 0o044 {
		return []report.Finding{mode.Finding("FILE", path, "MODE", modeOf(info))}
	}
	if why := h.unloadable(path); why != "" {
		return []report.Finding{broken.Finding("FILE", path, "WHY", why, "ARCH", arch())}
	}
	return nil
}

// machines are the numbers of elf(5) for what Go calls an architecture.
func machines() map[string]uint16 {
	return map[string]uint16{"amd64": 62, "arm64": 183, "386": 3, "arm": 40, "riscv64": 243, "ppc64le": 21, "s390x": 22}
}

// unloadable says why a library cannot be loaded; "" means that nothing speaks against it.
func (h *Host) unloadable(path string) string {
	f, err := os.Open(h.path(path))
	if err != nil {
		return "" // the mode was looked at
	}
	defer f.Close() //nolint:errcheck // read only
	head := make([]byte, 20)
	if _, err := io.ReadFull(f, head); err != nil || string(head[:4]) != "\x7fELF" {
		return "it is no shared library"
	}
	got := binary.LittleEndian.Uint16(head[18:])
	if want, known := machines()[arch()]; known && got != want {
		return fmt.Sprintf("it was made for another architecture (number %d, and this is %d)", got, want)
	}
	if h.Root != "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := h.run(ctx, "ldd", path)
	for line := range strings.Lines(out) {
		if strings.Contains(line, "not found") {
			return strings.TrimSpace(line)
		}
	}
	if err != nil && strings.Contains(out, path) {
		return firstLine(out, err)
	}
	return ""
}

// lookNames checks nsswitch.conf(5) and the NSS module.
func lookNames(_ context.Context, h *Host, _ *config.Config) []report.Finding {
	all := h.judgeModule("libnss_sallyport.so.2", trouble.NSSModuleMissing, trouble.NSSModuleMode, trouble.NSSModuleBroken)
	f, err := os.Open(h.path("/etc/nsswitch.conf"))
	if err != nil {
		const fresh = "/usr/share/libc-bin/nsswitch.conf" // glibc's own, on Debian
		f := trouble.NSSAbsent.Finding("DB", "passwd")
		if _, err := os.Stat(h.path(fresh)); err == nil {
			f.Mend = "sudo cp " + fresh + " /etc/nsswitch.conf && " + f.Mend
		}
		return append(all, f)
	}
	defer f.Close() //nolint:errcheck // read only
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o044 != 0o044 {
		all = append(all, trouble.NSSConfUnreadable.Finding("MODE", modeOf(info)))
	}
	services := services(f)
	for _, db := range []string{"passwd", "group", "initgroups"} {
		list, present := services[db]
		if !present && db == "initgroups" {
			continue // glibc then uses the group line
		}
		all = append(all, judgeServices(db, list, present))
	}
	for _, db := range []string{"shadow", "gshadow"} {
		if slices.Contains(services[db], "sallyport") {
			all = append(all, trouble.NSSShadow.Finding("DB", db))
		}
	}
	return all
}

// services reads nsswitch.conf(5): the services of each database, with the
// actions in brackets between them.
func services(r io.Reader) map[string][]string {
	all := map[string][]string{}
	for s := bufio.NewScanner(r); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		if db, list, found := strings.Cut(line, ":"); found {
			all[strings.TrimSpace(db)] = strings.Fields(list)
		}
	}
	return all
}

// ends tells whether an action between the services ends a lookup of a name that
// the ones before do not have, as "[NOTFOUND=return]" does.
func ends(before []string) bool {
	text := strings.ToLower(strings.Join(before, ""))
	for text != "" {
		_, rest, found := strings.Cut(text, "[")
		if !found {
			return false
		}
		action, after, _ := strings.Cut(rest, "]")
		if strings.Contains(action, "notfound=return") || strings.Contains(action, "!success=return") || strings.Contains(action, "!unavail=return") {
			return true
		}
		text = after
	}
	return false
}

func judgeServices(db string, list []string, present bool) report.Finding {
	ours := slices.Index(list, "sallyport")
	local := slices.IndexFunc(list, func(s string) bool { return s == "files" || s == "compat" })
	switch {
	case !present:
		return trouble.NSSAbsent.Mended("echo '{DB}: files sallyport systemd' | sudo tee -a /etc/nsswitch.conf", "DB", db)
	case local < 0:
		return trouble.NSSNoFiles.Finding("DB", db)
	case ours < 0:
		return trouble.NSSAbsent.Finding("DB", db)
	case local > ours:
		return trouble.NSSOrder.Finding("DB", db)
	case ends(list[:ours]):
		return trouble.NSSCut.Finding("DB", db, "LINE", strings.Join(list, " "))
	default:
		return ok("nsswitch.conf: %s: %s", db, strings.Join(list, " "))
	}
}

func firstLine(out string, err error) string {
	if line, _, _ := strings.Cut(strings.TrimSpace(out), "\n"); line != "" {
		return line
	}
	return fmt.Sprint(err)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
