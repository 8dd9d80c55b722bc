package kanidm

import (
	"fmt"
	"os"
	"path"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
)

// A shell that is not on this machine keeps somebody out: sshd(8) takes nobody whose shell
// it does not find. The server serves machines of many kinds, and one path is not right for all:
//
//	shell of the account                    here
//	on this machine                         as it is
//	nologin or false, wherever              /usr/sbin/nologin, /bin/false: they are to keep out
//	a well-known shell, in a folder of      the same shell where this machine has it, and
//	programs or without a path              otherwise [Mapping].Shell
//	anything else                           as it is: it may be to hold somebody to one
//	                                        program, and another shell would let them go

// shellFolders are where systems of other kinds have their shells, and where this one is
// looked for one.
var (
	shellFolders = []string{ //nolint:gochecknoglobals // a table
		"/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/usr/local/sbin", "/usr/pkg/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin",
	}
	searched = []string{"/bin", "/usr/bin", "/usr/local/bin"} //nolint:gochecknoglobals // a table
)

// shell is what stands for a shell here, and why if it is another; "" for no reason.
func (p *Provider) shell(asked string) (use, why string) {
	name := path.Base(asked)
	known, ok := identity.KnownShell(name)
	if !ok || asked != name && !slices.Contains(shellFolders, path.Dir(asked)) {
		return asked, ""
	}
	why = "it has no path"
	if asked != name {
		if p.o.Installed(asked) {
			return asked, ""
		}
		why = "it is not on this machine"
	}
	here := []string{known}
	for _, folder := range searched {
		here = append(here, path.Join(folder, name))
	}
	use = p.o.Mapping.Shell
	if at := slices.IndexFunc(here, p.o.Installed); at >= 0 {
		use = here[at]
	} else if name == "nologin" || name == "false" {
		use = known
	}
	return use, fmt.Sprintf("%q: %s, and %s is taken", asked, why, use)
}

// installed tells whether a program is on this machine.
func installed(program string) bool {
	i, err := os.Stat(program)
	return err == nil && i.Mode().IsRegular() && i.Mode().Perm()&0o111 != 0
}
