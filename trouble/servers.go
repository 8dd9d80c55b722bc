package trouble

import "github.com/sallyport-auth/sallyport/report"

// again is behind a mend at the server or in between: the daemon tries by itself.
const again = " This machine tries again by itself within seconds."

// Of the server.
const (
	ClockWrong       ID = "clock-wrong"
	ClockBehind      ID = "clock-behind"
	CertExpired      ID = "certificate-expired"
	CertNotYet       ID = "certificate-not-yet-valid"
	CertEnds         ID = "certificate-ends-soon"
	CertUnknown      ID = "certificate-unknown"
	CertName         ID = "certificate-name"
	NoDNS            ID = "dns-no-such-name"
	DNSDown          ID = "dns-fails"
	Refused          ID = "connection-refused"
	Timeout          ID = "connection-timeout"
	NoRoute          ID = "no-route"
	Filtered         ID = "connection-denied"
	NotTLS           ID = "not-tls"
	Proxy            ID = "proxy-between"
	ProxyNeeded      ID = "proxy-needed"
	ProxyDown        ID = "proxy-unreachable"
	ProxyRefuses     ID = "proxy-refuses"
	Redirected       ID = "redirected"
	ServerFault      ID = "server-fault"
	ServerFull       ID = "server-disk-full"
	MachineRemoved   ID = "machine-removed"
	MachineShutOut   ID = "machine-quarantined"
	TokenRefused     ID = "token-refused"
	OtherRealm       ID = "other-realm"
	CAMissing        ID = "ca-missing"
	CAWrong          ID = "ca-wrong"
	NotConnected     ID = "not-connected"
	Unproved         ID = "server-unproved"
	ConnectionBroken ID = "connection-broken"
	RealmUnready     ID = "realm-unready"
	OneServerDown    ID = "one-server-down"
	ServersIgnored   ID = "servers-ignored"
	OlderCopy        ID = "older-copy"
)

func servers() []Cause {
	const synced = "sudo date -u --set='{TIME}'" + restart
	return []Cause{
		{ClockWrong, report.Problem, "This machine's clock is wrong: it says {HERE}, and the server says {THERE} (compare both with a watch). Certificates, codes and offline limits depend on it. Set it first: until then, other findings about the server may be wrong.", synced},
		{ClockBehind, report.Warning, "The clock is {BY} behind a time that this machine knows for sure; one-time codes may be refused offline.", "sudo timedatectl set-ntp true"},
		{CertExpired, report.Problem, "The certificate of the server at {URL} expired on {DATE}. That is no sign of an attack, and people log in offline meanwhile. The server renews its own certificate at its start; a certificate that was given to it as a file must be renewed there first.", OnServer + "sudo systemctl restart sallyport-server"},
		{CertNotYet, report.Problem, "The certificate of the server at {URL} is valid only from {DATE}. The server's clock, or whoever made the certificate, was ahead.", "Wait until then, or make the server a new certificate." + again},
		{CertEnds, report.Warning, "The certificate of the server at {URL} ends on {DATE}.", "Have it renewed on the server before that day. Machines need nothing for it."},
		{CertUnknown, report.Problem, "The certificate shown at {URL} is not one that this machine trusts (issuer: {ISSUER}). The cause is a new certificate that the realm's key list does not name, a proxy that inspects TLS, or another server in its place.", "Compare \"sudo sallyport-server keys show\" on the server with \"sudo sallyport trust\" here. If the server has a new certificate, run on the server: sudo sallyport-server keys sign"},
		{CertName, report.Problem, "The certificate of the server is not for the name in {URL}; it is for {NAMES}.", "sudo sed -i 's#https://{WRONG}#https://{BETTER}#' {FILE}" + restart},
		{NoDNS, report.Problem, "The name {HOST} does not exist in DNS, so the server cannot be found.", "Correct the url in {FILE}, or the name in DNS or /etc/hosts, then: sudo systemctl restart sallyportd"},
		{DNSDown, report.Problem, "The name {HOST} cannot be resolved: the name server does not answer ({WHY}).", "Mend the name service of this machine (resolvectl status, /etc/resolv.conf)." + again},
		{Refused, report.Problem, "The machine at {ADDRESS} is up and refuses the connection: no server listens at that port.", OnServer + "sudo systemctl restart sallyport-server"},
		{Timeout, report.Problem, "Nothing answers at {ADDRESS}: the server's machine is off, or a firewall drops the packets.", "See that the server's machine runs, and that no firewall in between drops TCP to {ADDRESS}." + again},
		{NoRoute, report.Problem, "There is no way from this machine to {ADDRESS}: {WHY}.", "Connect this machine to the network (ip route shows what ways it has)." + again},
		{Filtered, report.Problem, "This machine may not connect to {ADDRESS}: a local firewall or a security module forbids it ({WHY}).", "Let sallyportd connect to {ADDRESS} in this machine's firewall." + again},
		{NotTLS, report.Problem, "What answers at {URL} does not speak TLS: another program, a plain HTTP server, or a proxy.", "Correct the url in {FILE}, or what listens there, then: sudo systemctl restart sallyportd"},
		{Proxy, report.Problem, "A proxy or a login page of the network answers in place of the server at {URL}: {WHY}.", "Sign in to the network, or have the proxy let connections to {URL} through untouched." + again},
		{ProxyNeeded, report.Note, "This machine is set to use an HTTP proxy ({WHERE}). Sallyport does not use that setting: it connects to {ADDRESS} directly.", "Write it into {FILE}, below [[provider]], as proxy = \"http://HOST:PORT\", then: sudo systemctl restart sallyportd"},
		{ProxyDown, report.Problem, "The proxy {PROXY} cannot be reached: {WHY}.", "See that the proxy runs, or correct proxy in {FILE} and then: sudo systemctl restart sallyportd"},
		{ProxyRefuses, report.Problem, "The proxy {PROXY} does not let this machine connect to {ADDRESS}: {WHY}.", "Have the proxy allow CONNECT to {ADDRESS} without a password, or correct proxy in {FILE} and then: sudo systemctl restart sallyportd"},
		{Redirected, report.Problem, "What answers at {URL} sends the machine to another address ({WHY}), which is never followed.", "Put the right address into the url in {FILE}, then: sudo systemctl restart sallyportd"},
		{ServerFault, report.Problem, "The server at {URL} answers, and fails: {WHY}. Its log (journalctl -u sallyport-server) says more.", OnServer + "sudo systemctl restart sallyport-server"},
		{ServerFull, report.Problem, "The disk of the server at {URL} is full: it can write nothing down and lets nobody sign in online.", "Free some space on the server's disk (df -h shows it). The server goes on by itself."},
		{MachineRemoved, report.Problem, "The server does not know this machine any more: it was removed from the realm, or joined again elsewhere.", "Type on the server: sudo sallyport-server machine add {NAME} and then here, with what it printed: sudo sallyport join --server {URL} --code CODE --fingerprint SHA256"},
		{MachineShutOut, report.Problem, "The server has put this machine in quarantine.", OnServer + "sudo sallyport-server machine release {NAME}"},
		{TokenRefused, report.Problem, "The server at {URL} does not accept this machine's token.", "Put a new token of the service account into the file that \"token\" of [[provider]] in {FILE} names, then: sudo systemctl restart sallyportd"},
		{OtherRealm, report.Problem, "The server at {URL} serves the realm {GOT}, and this machine is of {WANT}.", "Correct the url in {FILE}, or join this machine to the other realm, then: sudo systemctl restart sallyportd"},
		{CAMissing, report.Problem, "The file by which this machine recognises the server cannot be read: {WHY}.", "sudo sallyport join --server {URL} --code CODE --fingerprint SHA256"},
		{CAWrong, report.Problem, "{FILE} holds neither a realm key nor a certificate.", "sudo sallyport join --server {URL} --code CODE --fingerprint SHA256"},
		{NotConnected, report.Note, "{NAME}: {STATE} since {SINCE}: {WHY}", "Known people can log in offline for as long as their accounts allow."},
		{Unproved, report.Problem, "What answers at {URL} cannot prove that it is the server: {WHY}.", "Compare \"sudo sallyport-server keys show\" on the server with what this machine was told to trust."},
		{ConnectionBroken, report.Problem, "The connection to {ADDRESS} breaks off: {WHY}.", "See what lies between this machine and the server: a firewall, a proxy, a bad line." + again},
		{RealmUnready, report.Problem, "The server of this realm cannot be asked: {WHY}. People whom this machine remembers log in offline meanwhile; other realms are not touched.", "Correct what is named. sallyportd tries again by itself, and \"sallyport status\" shows it."},
		{OneServerDown, report.Warning, "The server at {URL}, one of several of the realm, does not answer for {SINCE}: {WHY}. Another server is used meanwhile, and nobody is kept out.", "See on that server whether it runs: systemctl status sallyport-server." + again},
		{ServersIgnored, report.Warning, "The realm's list of its servers is not gone by: {WHY}. This machine goes on with the servers that it knows.", "Have the realm's administrator publish the list anew; a newer version of it is taken by itself."},
		{OlderCopy, report.Problem, "The server at {URL} serves an older copy of the realm's database than this machine has seen: two databases are written to, or it is a standby that is behind. This machine takes nothing from that server.", "See on the servers which database is the realm's. Stop the other one (as a standby it can follow the right one), and let every server use the right one. If the older one is to go on, run on its server: sudo sallyport-server realm set --newest-copy"},
	}
}
