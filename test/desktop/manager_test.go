package desktop

// greeter is whose screen a display manager's own is.
const greeter = ""

// manager is a display manager, as Debian packages it.
type manager struct {
	program  string   // for /etc/X11/default-display-manager
	unit     string   // of systemd(1)
	enabled  []string // what a preset enables
	question string   // what the greeter shows when it waits for a name
	gnome    bool     // people get GNOME; otherwise Openbox with a terminal
	terminal int      // the virtual terminal it is at, if it needs no X server
	files    map[string]string
	// display is shell that names a user's X server, and fails where there is none.
	display func(user string) string
}

// gdm runs one X server for its greeter, and one for each person.
func gdm() manager {
	return manager{
		program:  "/usr/sbin/gdm3",
		unit:     "gdm3",
		enabled:  []string{"gdm.service", "gdm3.service"},
		question: "Username",
		gnome:    true,
		files: map[string]string{
			"/etc/gdm3/daemon.conf":            "[daemon]\nWaylandEnable=false\n[debug]\nEnable=true\n",
			"/etc/gdm3/greeter.dconf-defaults": "[org/gnome/login-screen]\ndisable-user-list=true\n",
			"/etc/dconf/db/local.d/00-test":    "[org/gnome/desktop/session]\nidle-delay=uint32 0\n[org/gnome/desktop/interface]\nenable-animations=false\n",
			"/etc/dconf/profile/user":          "user-db:user\nsystem-db:local\n",
		},
		display: func(user string) string {
			if user == greeter {
				user = "Debian-gdm"
			}
			return `
		uid=$(id -u ` + user + `)
		x=$(find /tmp/.X11-unix -name 'X*' -uid "$uid" -printf '%T@ %f\n' | sort -n | tail -n 1 | sed 's/.* X//')
		[ -n "$x" ] || { echo "there is no screen of ` + user + `"; exit 1; }
		export DISPLAY=:$x XAUTHORITY=/run/user/$uid/gdm/Xauthority
	`
		},
	}
}

// lightDM runs its GTK greeter and then the person's session on one X server. There is no
// window manager: the keys go to where the pointer is.
func lightDM() manager {
	return manager{
		program:  "/usr/sbin/lightdm",
		unit:     "lightdm",
		enabled:  []string{"lightdm.service"},
		question: "Log In",
		files: map[string]string{
			"/etc/lightdm/lightdm.conf": "[LightDM]\nlogind-check-graphical=false\n[Seat:*]\ngreeter-session=lightdm-gtk-greeter\n" +
				"user-session=openbox\ngreeter-hide-users=true\ngreeter-show-manual-login=true\n",
			"/etc/gtk-3.0/settings.ini":  "[Settings]\ngtk-cursor-blink=0\n",
			"/etc/xdg/openbox/autostart": "xterm -fa Monospace -fs 14 -geometry 80x20+0+0 &\n",
		},
		display: func(string) string { return "export DISPLAY=:0 XAUTHORITY=/run/lightdm/root/:0\n" },
	}
}
