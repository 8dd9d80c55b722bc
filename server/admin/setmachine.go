package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// SetMachine implements AdminService.
func (s *Admin) SetMachine(ctx context.Context, req *v1.SetMachineRequest) (*v1.MachineView, error) {
	var details []string
	if req.OfflineCodes != nil {
		details = append(details, fmt.Sprintf("offline_codes=%t", req.GetOfflineCodes()))
	}
	scope := req.GetScope()
	if scope != nil {
		details = append(details, fmt.Sprintf("everybody=%t admits=%q", scope.GetEverybody(), strings.Join(scope.GetGroups(), " ")))
	}
	tags, err := store.ParseTags(req.GetTags().GetWords())
	if err != nil {
		return nil, s.told(ctx, "set machine", req.GetName(), err)
	}
	if req.GetTags() != nil {
		details = append(details, fmt.Sprintf("tags=%q", strings.Join(tags.Strings(), " ")))
	}
	if req.GetHostNames() != nil {
		details = append(details, fmt.Sprintf("host_names=%q", strings.Join(req.GetHostNames().GetHosts(), " ")))
	}
	if req.GetAddresses() != nil {
		details = append(details, fmt.Sprintf("addresses=%q", strings.Join(req.GetAddresses().GetHosts(), " ")))
	}
	stored, err := storedKeys(req.StoredKeys, true)
	if err != nil {
		return nil, s.told(ctx, "set machine", req.GetName(), err)
	}
	if req.StoredKeys != nil {
		details = append(details, "stored_keys="+req.GetStoredKeys())
	}
	return s.onMachine(ctx, "machine.set", req.GetName(), strings.Join(details, " "), func(tx *store.Tx, m store.Machine) error {
		if req.OfflineCodes != nil {
			if err := tx.SetMachineOfflineCodes(m.Name, req.GetOfflineCodes()); err != nil {
				return err
			}
		}
		if req.GetTags() != nil {
			if err := tx.SetTags(m.UUID, tags); err != nil {
				return err
			}
		}
		if req.StoredKeys != nil {
			if err := errors.Join(certifies(tx, stored), tx.SetMachineStoredKeys(m.UUID, stored)); err != nil {
				return err
			}
		}
		if err := setHosts(tx, m, req); err != nil {
			return err
		}
		if scope == nil {
			return nil
		}
		groups, err := scopeOf(tx, scope)
		if err != nil {
			return err
		}
		return tx.SetScope(m.UUID, groups)
	})
}

// storedKeys reads what becomes of stored ssh keys, where that is said.
func storedKeys(word *string, ofMachine bool) (store.StoredKeys, error) {
	if word == nil {
		return "", nil
	}
	return store.ParseStoredKeys(*word, ofMachine) //nolint:wrapcheck // for people
}

// certifies lets stored keys be refused only where the realm makes certificates.
func certifies(tx *store.Tx, stored store.StoredKeys) error {
	if stored != store.KeysRefused {
		return nil
	}
	keys, err := tx.SSHAuthorities(string(realm.ForSSHUsers))
	if err == nil && len(keys) == 0 {
		err = realm.RefusalError("the realm makes no ssh certificates yet, so nobody could show one: \"sallyport-server keys rotate-ssh\" first")
	}
	return err
}

// maxHosts is how many names a machine may have, and how many addresses.
const maxHosts = 16

// setHosts gives a machine the names and addresses that are present, and lets the others be.
func setHosts(tx *store.Tx, m store.Machine, req *v1.SetMachineRequest) error {
	if req.GetHostNames() == nil && req.GetAddresses() == nil {
		return nil
	}
	h, err := tx.HostsOf(m.UUID)
	if err != nil {
		return err
	}
	if req.GetHostNames() != nil {
		if h.Names, err = hostNames(tx, m, req.GetHostNames().GetHosts()); err != nil {
			return err
		}
	}
	if req.GetAddresses() != nil {
		if h.Addresses, err = addresses(req.GetAddresses().GetHosts()); err != nil {
			return err
		}
	}
	return tx.SetHosts(m.UUID, h)
}

// hostNames are names as ssh is told them, in lower case. The name of another machine is
// none of this one.
func hostNames(tx *store.Tx, m store.Machine, said []string) ([]string, error) {
	if len(said) > maxHosts {
		return nil, inputError("%d host names, and %d is the most", len(said), maxHosts)
	}
	var list []string
	for _, word := range said {
		name := strings.ToLower(word)
		if err := checkHostName(name); err != nil {
			return nil, err
		}
		other, err := tx.MachineByName(identity.Name(name))
		if err == nil && other.UUID != m.UUID {
			return nil, fmt.Errorf("%q %w, as the name of another machine", name, store.ErrExists)
		}
		if err != nil && !errors.Is(err, identity.ErrNotFound) {
			return nil, err
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// checkHostName refuses what is no host name (RFC 1123, section 2.1, and '_').
func checkHostName(name string) error {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return inputError("%q is an address: give it with the addresses", name)
	}
	if name == "" || len(name) > 253 || strings.ContainsFunc(name, odd) || strings.ContainsRune("-.", rune(name[0])) || strings.Contains(name, "..") {
		return inputError("%q is no host name", identity.Printable(name))
	}
	return nil
}

// addresses are IPv4 and IPv6 addresses that mean the same from everywhere.
func addresses(said []string) ([]netip.Addr, error) {
	if len(said) > maxHosts {
		return nil, inputError("%d addresses, and %d is the most", len(said), maxHosts)
	}
	var list []netip.Addr
	for _, word := range said {
		a, err := netip.ParseAddr(word)
		if err != nil {
			return nil, inputError("%q is no address", identity.Printable(word))
		}
		if a = a.Unmap(); a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
			return nil, inputError("%q is no address by which other machines reach this one", identity.Printable(word))
		}
		list = append(list, a)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list), nil
}
