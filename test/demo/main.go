// Command demo shows Sallyport at work on a throwaway machine: a realm's server,
// the daemon, and the host's own sshd, su, sudo and login, as a transcript. It
// ends with 1 as soon as a scene does not go as it is told.
//
// With --shell it leaves you at a root prompt on that machine instead.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/sallyport-auth/sallyport/test/machine"
)

func main() {
	shell := flag.Bool("shell", false, "stay at a prompt on the machine")
	flag.Parse()
	if err := machine.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	if err := run(context.Background(), *shell); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo: FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, shell bool) error {
	fmt.Println("A throwaway machine starts: nothing outside it is changed.")
	m, err := machine.New()
	if err != nil {
		return err
	}
	defer m.Close()
	r := &machine.Realm{Machine: m}
	if err := prepare(ctx, r); err != nil {
		return err
	}
	if shell {
		return prompt(ctx, r)
	}
	for i, s := range scenes() {
		fmt.Printf("\n── %d. %s\n", i+1, s.title)
		if err := s.play(ctx, r); err != nil {
			fmt.Println("   ✗ this did not go as it should")
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	fmt.Printf("\nAll %d scenes went as told.\n", len(scenes()))
	return nil
}

// show prints what stood on a screen, indented.
func show(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fmt.Print("   │ ", strings.TrimRight(line, "\n"), "\n")
	}
}

func say(format string, a ...any) { fmt.Printf("   "+format+"\n", a...) }

// prompt gives the terminal to a root shell on the machine.
func prompt(ctx context.Context, r *machine.Realm) error {
	fmt.Printf(`
You are root on the machine. ada's password is %q; she is in the group admins.
Try:  getent passwd ada    ssh ada@127.0.0.1    sallyport status    sallyport explain ada
      sallyport-server account disable ada --dir %s
Leave with "exit"; the machine is forgotten.
`, password, machine.ServerDir)
	c := exec.CommandContext(ctx, "/usr/sbin/chroot", r.Root, "/bin/bash")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), `PS1=machine:\w\$ `, "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{}
	_ = c.Run() // a shell's own exit code is its user's business
	return nil
}
