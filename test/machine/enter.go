package machine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside marks the environment of a program that has entered its namespaces.
const inside = "SALLYPORT_MACHINE_NAMESPACE"

// Enter replaces the program by itself in new mount, network, PID and IPC
// namespaces and does not return; inside them it brings loopback up and returns
// nil. It is util-linux's unshare(1) that does it, before Go has any threads.
func Enter() error {
	if os.Getenv(inside) != "" {
		// Under nohup(1) programs would outlive their terminal here: what is ignored
		// is inherited, and what is caught is not.
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
		// /proc still shows the PIDs of the namespace outside.
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
		return loopbackUp()
	}
	if os.Geteuid() != 0 {
		return errors.New("a throwaway machine needs root (mount and network namespaces): run it with sudo")
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return fmt.Errorf("enter namespaces: %w: install util-linux", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("enter namespaces: %w", err)
	}
	args := append([]string{
		"unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child=KILL",
		"--propagation", "private", "--", self,
	}, os.Args[1:]...)
	err = syscall.Exec(unshare, args, append(os.Environ(), inside+"=1"))
	return fmt.Errorf("enter namespaces: %w", err)
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	if _, err := net.InterfaceByName("lo"); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}
