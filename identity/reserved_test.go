package identity

import (
	"errors"
	"strings"
	"testing"
)

// Promise reserved-names.
func TestSystemNamesAreNobodysInARealm(t *testing.T) {
	for _, n := range strings.Fields(`docker admin wheel lxd sudo root adm libvirt kvm shadow disk video nobody staff users
		systemd-network systemd-anything _apt _x www-data sallyport mine`) {
		err := ReservedName(Name(n), "mine")
		if !errors.Is(err, ErrReserved) || !errors.Is(err, ErrName) || !strings.Contains(err.Error(), "[groups] local") || ReservedWhy(err) == "" {
			t.Errorf("%s: %v", n, err)
		}
	}
	for _, n := range strings.Fields("ada admins mine dockers systemd a_b docker@example root@example _apt@example") {
		if err := ReservedName(Name(n)); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
}

func TestEveryReservedNameIsAName(t *testing.T) {
	if len(systemNames) < 200 || len(systemNames) != len(strings.Fields(reservedNames)) {
		t.Errorf("%d names of %d", len(systemNames), len(strings.Fields(reservedNames)))
	}
	for n := range systemNames {
		if _, err := ParseShortName(string(n)); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
}
