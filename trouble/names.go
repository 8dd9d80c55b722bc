package trouble

import "github.com/sallyport-auth/sallyport/report"

const configure = "sudo /usr/share/sallyport/configure-host enable"

// Of names.
const (
	NSSModuleMissing  ID = "nss-module-missing"
	NSSModuleMode     ID = "nss-module-mode"
	NSSModuleBroken   ID = "nss-module-broken"
	NSSConfUnreadable ID = "nsswitch-unreadable"
	NSSAbsent         ID = "nsswitch-without-us"
	NSSOrder          ID = "nsswitch-order"
	NSSNoFiles        ID = "nsswitch-without-files"
	NSSCut            ID = "nsswitch-cut-short"
	NSSShadow         ID = "nsswitch-shadow"
	SnapshotMissing   ID = "directory-missing"
	SnapshotFolder    ID = "directory-folder"
	SnapshotMode      ID = "directory-mode"
	SnapshotDamaged   ID = "directory-damaged"
	SnapshotStale     ID = "directory-out-of-date"
	SnapshotUnwritten ID = "directory-unwritten"
	CacheBetween      ID = "name-cache-between"
)

func names() []Cause {
	return []Cause{
		{NSSModuleMissing, report.Problem, "libnss_sallyport.so.2 is in none of the library folders, so no program can resolve a name of the realm.", "Install Sallyport again: make install, or sudo apt-get install --reinstall sallyport"},
		{NSSModuleMode, report.Problem, "{FILE} has mode {MODE}, so programs of people cannot load it.", "sudo chmod 0644 {FILE}"},
		{NSSModuleBroken, report.Problem, "{FILE} cannot be loaded on this machine: {WHY}.", "Install the package for this machine's architecture ({ARCH}): sudo apt-get install --reinstall sallyport"},
		{NSSConfUnreadable, report.Problem, "/etc/nsswitch.conf has mode {MODE}, so programs of people cannot read it.", "sudo chmod 0644 /etc/nsswitch.conf"},
		{NSSAbsent, report.Problem, "/etc/nsswitch.conf: the line \"{DB}\" does not name sallyport, so nobody of the realm exists here.", configure},
		{NSSOrder, report.Problem, "/etc/nsswitch.conf: the line \"{DB}\" names sallyport before files: local names must come first.", configure},
		{NSSNoFiles, report.Problem, "/etc/nsswitch.conf: the line \"{DB}\" names no files, so that local accounts, root too, have no names.", "sudo sed -i -E '/^{DB}:/ s/:.*/: files sallyport systemd/' /etc/nsswitch.conf"},
		{NSSCut, report.Problem, "/etc/nsswitch.conf: the line \"{DB}\" ends a lookup before sallyport is asked: {LINE}.", "sudo sed -i -E '/^{DB}:/ s/\\[[^]]*\\]//g' /etc/nsswitch.conf"},
		{NSSShadow, report.Warning, "/etc/nsswitch.conf: the line \"{DB}\" names sallyport, which has no such entries: every such lookup asks it in vain.", "sudo sed -i -E '/^{DB}:/ s/[[:space:]]+sallyport\\b//' /etc/nsswitch.conf"},
		{SnapshotMissing, report.Warning, "There is no directory snapshot ({WHY}), so every name is asked of the daemon, and unknown without it.", "sudo systemctl restart sallyportd"},
		{SnapshotFolder, report.Problem, "{FOLDER} has mode {MODE}: programs of people cannot read names.", "sudo chmod 0755 {FOLDER}"},
		{SnapshotMode, report.Problem, "{FILE} has mode {MODE}, want 0644: programs of people cannot read names, or anybody can write them.", "sudo chmod 0644 {FILE}"},
		{SnapshotDamaged, report.Problem, "The directory snapshot is damaged, and programs refuse it: {WHY}.", "sudo rm -f {FILE}" + restart},
		{SnapshotStale, report.Problem, "The directory snapshot is out of date since {DATE}, and answers nothing.", "Connect this machine to its server; [directory] keep in sallyportd.toml says how long names are kept."},
		{SnapshotUnwritten, report.Problem, "The directory snapshot cannot be published: {WHY}.", "sudo install -d -o sallyport -g sallyport -m 0755 {FOLDER}" + restart},
		{CacheBetween, report.Warning, "A name service cache ({NAME}) keeps answers of its own for minutes, so that changes show late.", "sudo systemctl disable --now {NAME}"},
	}
}
