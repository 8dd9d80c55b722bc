package hop

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
)

// MaxHops is how many machines a chain may have.
const MaxHops = 8

// Hop is one machine that ssh connects to.
type Hop struct {
	// Typed is its name where ssh's configuration is read by it, Host what is connected to.
	Typed, Host string
	Port        uint16
	// User is the account to log in as.
	User string
}

// Route is where ssh would go.
type Route struct {
	// Hops in their order, the target last.
	Hops []Hop
	// Forward is what is to be forwarded between here and the target: "local", "remote" and
	// "x11".
	Forward []string
}

// Plan asks ssh where it would go with that command line.
func Plan(ctx context.Context, ssh string, l Line) (Route, error) {
	said, err := settings(ctx, ssh, l.Config, l.Args)
	if err != nil {
		return Route{}, err
	}
	target, err := hopOf(l.Host, said)
	if err != nil {
		return Route{}, err
	}
	r := Route{Hops: []Hop{target}, Forward: forwards(said, l.Stdio)}
	for jump := said.one("proxyjump"); jump != "" && jump != "none"; {
		through := strings.Split(jump, ",")
		var before []Hop
		jump = ""
		for i, spec := range through {
			h, own, err := jumpHop(ctx, ssh, l.Config, spec)
			if err != nil {
				return Route{}, err
			}
			if i == 0 { // ssh reads the first one's own configuration, which may name more
				jump = own
			}
			before = append(before, h)
		}
		if r.Hops = append(before, r.Hops...); len(r.Hops) > MaxHops {
			return Route{}, fmt.Errorf("a chain of more than %d machines", MaxHops)
		}
	}
	return r, nil
}

// jumpHop reads one part of a ProxyJump: [user@]host[:port] or ssh://[user@]host[:port].
func jumpHop(ctx context.Context, ssh, config, spec string) (Hop, string, error) {
	rest := strings.TrimSuffix(strings.TrimPrefix(spec, "ssh://"), "/")
	var args []string
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		args, rest = append(args, "-l", rest[:at]), rest[at+1:]
	}
	host := rest
	if h, port, err := net.SplitHostPort(rest); err == nil && (strings.HasPrefix(rest, "[") || strings.Count(rest, ":") == 1) {
		host = h
		args = append(args, "-p", port)
	}
	host = strings.Trim(host, "[]")
	said, err := settings(ctx, ssh, config, append(args, "--", host))
	if err != nil {
		return Hop{}, "", err
	}
	h, err := hopOf(host, said)
	return h, said.one("proxyjump"), err
}

// answers are what "ssh -G" prints: words, by keyword.
type answers map[string][]string

func (a answers) one(key string) string {
	if v := a[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func settings(ctx context.Context, ssh, config string, args []string) (answers, error) {
	all := []string{"-G"}
	if config != "" {
		all = append(all, "-F", config)
	}
	var out, told bytes.Buffer
	c := exec.CommandContext(ctx, ssh, append(all, args...)...) //nolint:gosec // the person's own words for the person's own ssh
	c.Stdout, c.Stderr = &out, &told
	if err := c.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && told.Len() > 0 {
			return nil, fmt.Errorf("%w: %s", ErrUsage, bytes.TrimSpace(told.Bytes()))
		}
		return nil, fmt.Errorf("ask ssh where it would go: %w", err)
	}
	said := make(answers)
	for s := bufio.NewScanner(&out); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), " ")
		said[key] = append(said[key], value)
	}
	return said, nil
}

func hopOf(typed string, said answers) (Hop, error) {
	if at := strings.LastIndexByte(typed, '@'); at >= 0 {
		typed = typed[at+1:]
	}
	if rest, is := strings.CutPrefix(typed, "ssh://"); is {
		typed = strings.TrimSuffix(rest, "/")
		if h, _, err := net.SplitHostPort(typed); err == nil {
			typed = h
		}
	}
	port, err := strconv.ParseUint(said.one("port"), 10, 16)
	if err != nil || port == 0 {
		return Hop{}, fmt.Errorf("ssh names no port for %q", typed)
	}
	h := Hop{Typed: typed, Host: said.one("hostname"), Port: uint16(port), User: said.one("user")}
	for _, name := range []string{h.Typed, h.Host} {
		if err := checkHost(name); err != nil {
			return Hop{}, err
		}
	}
	return h, nil
}

func checkHost(name string) error {
	if !identity.PlainHost(name) {
		return fmt.Errorf("%w: %q is no name or address of a host", ErrUsage, name)
	}
	return nil
}

func forwards(said answers, stdio bool) []string {
	var list []string
	if stdio || said.one("localforward") != "" || said.one("dynamicforward") != "" {
		list = append(list, "local")
	}
	if said.one("remoteforward") != "" {
		list = append(list, "remote")
	}
	if said.one("forwardx11") == "yes" {
		list = append(list, "x11")
	}
	return slices.Clip(list)
}
