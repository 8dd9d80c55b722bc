package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrReserved says that a name belongs to a system user or group of a distribution.
// errors.Is(err, ErrName) is true as well.
var ErrReserved = fmt.Errorf("%w for a person or group of the realm", ErrName)

// reservedNames are system users and groups. Programs, package scripts and sudoers(5)
// trust whoever bears such a name: "getent group docker || groupadd docker", "%admin
// ALL=(ALL) ALL". A machine need not have it yet: the package may come later. Gathered
// from Debian 12 and 13 (base-passwd, and the users that common packages make), Ubuntu,
// Fedora (setup, sysusers.d) and Arch (filesystem).
const reservedNames = `
abrt adm admin administrator amavis apache apport audio audit avahi avahi-autoipd backup bin bind
bluetooth brlapi cdrom ceph chrony clamav cockpit-ws cockpit-wsinstance colord consul containerd
cron crontab cups cups-pk-helper daemon dbus debian-exim debian-tor dhcpcd dialout dip disk dnf
dnsmasq docker dovecot dovenull dumpcap elasticsearch etcd exim exim4 fax fetchmail flatpak floppy
ftp fwupd-refresh games gdm gdm3 geoclue git gitlab glance gluster gnats gnome-initial-setup
gnome-remote-desktop gpio grafana greeter halt haproxy hplip http httpd i2c incus incus-admin
influxdb input irc jenkins kanidm kernoops kmem kube kvm landscape libvirt libvirt-dnsmasq
libvirt-qemu lightdm list lock log logcheck lp lpadmin lxc lxd mail man man-db mariadb mem memcache
memcached messagebus mlocate mock mongodb munin mysql nagios named netdev network neutron news
nfsnobody nginx nm-openconnect nm-openvpn nobody nogroup nova nslcd ntp ntpd nut oddjob opendkim
openvpn operator optical pcp pcscd pipewire plocate plugdev podman polkitd pollinate postdrop
postfix postgres power proc prometheus proxy pulse pulse-access qemu rabbitmq redis render rfkill
root rpc rpcuser rtkit sallyport sallyport-card sallyport-keys sallyport-userdb sambashare saned
sasl scanner scard sddm setroubleshoot sgx shadow shutdown slocate smmsp snmp speech-dispatcher spi
squid src ssh ssh_keys sshd ssl-cert sssd staff storage strongswan stunnel4 sudo sync sys syslog
tapdisk tape tcpdump telegraf tomcat tor tss tty unbound unixd usbmux users utempter utmp uucp uuidd
vboxsf vboxusers vde2-net video voice wheel whoopsie wireshark www-data xrdp zabbix
`

// systemNames is the list as a set; "admins" is not among them: Sallyport's own pages
// give administrators a group of that name, and no package or sudoers(5) does.
//
//nolint:gochecknoglobals // a constant table
var systemNames = func() map[Name]bool {
	m := make(map[Name]bool)
	for _, n := range strings.Fields(reservedNames) {
		m[Name(n)] = true
	}
	return m
}()

// ReservedName returns ErrReserved with a reason when no person and no group of a realm
// may have that name; more are further names that an administrator reserves. A name
// that is qualified is nobody's on the machine, and never reserved.
//
//	reserved                       because
//	the names of the list          a package or sudoers(5) trusts them
//	"systemd-…"                    systemd makes such users as it grows
//	"_…"                           Debian, macOS and OpenBSD name system users so
//	what the administrator names   they know their machines
func ReservedName(n Name, more ...string) error {
	var why string
	switch {
	case n.Realm() != "":
		return nil
	case strings.HasPrefix(string(n), "_"):
		why = "names that begin with '_' are those of system users"
	case strings.HasPrefix(string(n), "systemd-"):
		why = "systemd's own users have such names"
	case systemNames[n]:
		why = "it is the name of a system user or group"
	case slices.Contains(more, string(n)):
		why = "it is reserved by the settings"
	default:
		return nil
	}
	return &reservedError{name: n, why: why}
}

type reservedError struct {
	name Name
	why  string
}

func (e *reservedError) Error() string {
	return fmt.Sprintf("%q is reserved: %s, which programs may trust. Choose another name; "+
		"to give people a local group of this name, name it under [groups] local in sallyportd.toml", e.name, e.why)
}

func (e *reservedError) Is(target error) bool { return errors.Is(ErrReserved, target) }

// Why is the reason alone, for where there is room for one clause.
func (e *reservedError) Why() string { return "its name is reserved: " + e.why }

// ReservedWhy is the reason of a ReservedName that is not nil, as one clause.
func ReservedWhy(err error) string {
	var r *reservedError
	if errors.As(err, &r) {
		return r.Why()
	}
	return ""
}
