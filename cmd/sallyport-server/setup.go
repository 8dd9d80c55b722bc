package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/terminal"
)

const (
	serverUser = "sallyport-server"
	serverUnit = "sallyport-server.service"
	// lookupPatience is for this machine's own full name.
	lookupPatience = 2 * time.Second
)

// setup is one run of "setup". It makes what is missing and leaves what is there: all
// that it makes in the folder, it makes as the server's own user.
type setup struct {
	dir, realm, listen, account, machine string
	names                                []string
	yes                                  bool
	uid, gid                             uint32
}

func runSetup(f *command.Flags) command.Action {
	s := &setup{}
	f.StringVar(&s.dir, "dir", realm.DefaultDir, "`path` of the realm's folder")
	f.StringVar(&s.realm, "realm", "", "the realm's `name`")
	f.StringVar(&s.listen, "listen", "", "`address` to listen at, HOST:PORT")
	f.StringVar(&s.account, "account", "", "`name` of a first account")
	f.StringVar(&s.machine, "machine", "", "`name` of a first machine")
	f.BoolVar(&s.yes, "yes", false, "ask nothing")
	f.Func("tls-name", "`name` that machines reach the server by; may be given more than once", func(n string) error { s.names = append(s.names, n); return nil })
	return func(ctx context.Context) error {
		if !s.yes && !terminal.Is(os.Stdin) {
			return command.Usage("setup asks for what it is not told, and here is no terminal to ask at. " +
				"Nothing was done. Give --realm and what else you want, and --yes")
		}
		if os.Geteuid() != 0 {
			return errors.New("setup makes a folder for the user " + serverUser + " and starts its unit: run it as root, with sudo")
		}
		if err := s.findUser(); err != nil {
			return err
		}
		if err := s.makeRealm(ctx); err != nil {
			return err
		}
		if err := s.start(ctx); err != nil {
			return err
		}
		if err := s.firstAccount(ctx); err != nil {
			return err
		}
		return s.firstMachine(ctx)
	}
}

func (s *setup) findUser() error {
	u, err := user.Lookup(serverUser)
	if err != nil {
		return fmt.Errorf("there is no user %q yet: run systemd-sysusers first: %w", serverUser, err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	s.uid, s.gid = uint32(uid), uint32(gid)
	return errors.Join(err1, err2)
}

// ask asks for what was not given; nothing typed, or --yes, is the default.
func (s *setup) ask(into *string, question, otherwise string) error {
	if *into != "" {
		return nil
	}
	*into = otherwise
	if s.yes {
		return nil
	}
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	fmt.Fprint(os.Stderr, question+": ")
	line, err := typed()
	if err != nil {
		return err
	}
	if line != "" {
		*into = line
	}
	return nil
}

// typed reads one line of a terminal, byte by byte: what is behind it is another's.
func typed() (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < 1024; {
		n, err := os.Stdin.Read(b)
		if err != nil {
			return "", fmt.Errorf("read the answer: %w", err)
		}
		if n > 0 && b[0] == '\n' {
			return strings.TrimSpace(string(line)), nil
		}
		line = append(line, b[:n]...)
	}
	return "", errors.New("the answer is too long")
}

// fullName is this machine's own, as far as it knows.
func fullName(ctx context.Context) string {
	host, err := os.Hostname()
	if err != nil || strings.Contains(host, ".") {
		return host
	}
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	if full, err := net.DefaultResolver.LookupCNAME(ctx, host); err == nil {
		return strings.TrimSuffix(full, ".")
	}
	return host
}

// makeRealm makes the folder and the realm in it, or says what is there.
func (s *setup) makeRealm(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.dir, "server.json")); err == nil {
		if err := s.giveFolder(); err != nil {
			return err
		}
		there, err := s.realmThere(ctx)
		if err != nil {
			return err
		}
		if s.realm != "" && s.realm != there {
			return fmt.Errorf("%s holds the realm %s already, and setup changes nothing of it: choose another --dir for %s", s.dir, there, s.realm)
		}
		fmt.Printf("The realm %s is in %s already and stays as it is.\n", there, s.dir)
		return nil
	}
	full := fullName(ctx)
	_, domain, _ := strings.Cut(full, ".")
	if err := errors.Join(
		s.ask(&s.realm, "Name of the realm", domain),
		s.ask(&s.listen, "Address to listen at", ":8443"),
	); err != nil {
		return err
	}
	if s.realm == "" {
		return command.Usage("a realm needs a name: --realm NAME")
	}
	if len(s.names) == 0 {
		var name string
		if err := s.ask(&name, "Name that machines reach this server by", full); err != nil {
			return err
		}
		s.names = []string{name}
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := s.giveFolder(); err != nil {
		return err
	}
	words := []string{"init", "--dir", s.dir, "--realm", s.realm, "--listen", s.listen}
	for _, n := range s.names {
		words = append(words, "--tls-name", n)
	}
	if _, err := s.run(ctx, nil, words...); err != nil {
		return err
	}
	fmt.Printf("The realm %s is in %s. Whoever can read that folder can sign anybody in: keep copies as safe.\n", s.realm, s.dir)
	return nil
}

// giveFolder makes the folder the server's own, also one that root made by hand with a
// realm in it. Of one that is the server's already root follows no name.
func (s *setup) giveFolder() error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer root.Close() //nolint:errcheck // read only
	if err := root.Chmod(".", 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	info, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == s.uid && st.Gid == s.gid {
		return nil
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		return root.Lchown(path, int(s.uid), int(s.gid))
	})
	if err == nil {
		err = root.Lchown(".", int(s.uid), int(s.gid)) // last: until then nobody else can change what is in it
	}
	if err != nil {
		return fmt.Errorf("give folder to %s: %w", serverUser, err)
	}
	return nil
}

func (s *setup) realmThere(ctx context.Context) (string, error) {
	out, err := s.run(ctx, nil, "realm", "show", "--json", "--dir", s.dir)
	if err != nil {
		return "", err
	}
	var v struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(out, &v); err != nil {
		return "", fmt.Errorf("realm show: %w", err)
	}
	return v.Name, nil
}

// run runs a command of this program as the server's own user.
func (s *setup) run(ctx context.Context, input []byte, words ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	c := exec.CommandContext(ctx, self, words...) //nolint:gosec // this program
	c.Dir = "/"
	c.Stdin = bytes.NewReader(input)
	var errs bytes.Buffer
	c.Stderr = &errs
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.uid, Gid: s.gid}}
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(words[:min(2, len(words))], " "), err, strings.TrimPrefix(strings.TrimSpace(errs.String()), "sallyport-server: "))
	}
	return out, nil
}

// start enables the unit and starts it; it is ready when that returns.
func (s *setup) start(ctx context.Context) error {
	if s.dir != realm.DefaultDir {
		fmt.Printf("The unit %s serves %s alone. To serve this one, run as user %s: sallyport-server serve --dir %s\n", serverUnit, realm.DefaultDir, serverUser, s.dir)
		return nil
	}
	words := []string{"enable", "--now", serverUnit}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		words = []string{"enable", serverUnit}
		fmt.Println("systemd does not run here: start the server yourself, as user " + serverUser + ": sallyport-server serve")
	}
	out, err := exec.CommandContext(ctx, "systemctl", words...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s\nThe realm is made. \"journalctl -u %s\" says more; setup goes on from here when it is run again",
			strings.Join(words, " "), err, strings.TrimSpace(string(out)), serverUnit)
	}
	fmt.Printf("%s is enabled.\n", serverUnit)
	return nil
}

// firstAccount adds an account with a password, if one is wanted and not there.
func (s *setup) firstAccount(ctx context.Context) error {
	if err := s.ask(&s.account, "Login name of the first person (empty: none now)", ""); err != nil || s.account == "" {
		return err
	}
	if _, err := s.run(ctx, nil, "account", "show", s.account, "--dir", s.dir); err == nil {
		fmt.Printf("The account %s is there already and stays as it is.\n", s.account)
		return nil
	}
	password, err := readLine("Password for "+s.account, true)
	if err != nil {
		return err
	}
	defer clear(password)
	if _, err := s.run(ctx, nil, "account", "add", s.account, "--dir", s.dir); err != nil {
		return err
	}
	if _, err := s.run(ctx, password, "account", "set-password", s.account, "--dir", s.dir); err != nil {
		return fmt.Errorf("%w\nThe account %s is there without a password: sallyport-server account set-password %[2]s", err, s.account)
	}
	fmt.Printf("The account %s is made.\n", s.account)
	return nil
}

// firstMachine invites a machine, or says how.
func (s *setup) firstMachine(ctx context.Context) error {
	if err := s.ask(&s.machine, "Name of the first machine that joins (empty: none now)", ""); err != nil {
		return err
	}
	if s.machine == "" {
		fmt.Println("Next, here: sudo sallyport-server machine add NAME   (it prints what to type on that machine)")
		return nil
	}
	out, err := s.run(ctx, nil, "machine", "add", s.machine, "--dir", s.dir)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(out)
	return err
}
