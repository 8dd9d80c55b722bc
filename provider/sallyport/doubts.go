package sallyport

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
	"github.com/sallyport-auth/sallyport/trouble"
)

// errNoList: neither the server nor this machine has a realm key yet.
var errNoList = errors.New("the server has no key list: it is older than this machine's program")

// trustCommand is how a person says which realm key is right.
const trustCommand = "sallyport trust --fingerprint SHA256, with the fingerprint that \"sallyport-server keys show\" prints on the server"

func otherRealm(got, want string) error {
	return &provider.CauseError{Cause: trouble.OtherRealm, Places: []string{"GOT", got, "WANT", want}, Err: &provider.DoubtError{
		What: fmt.Sprintf("The server serves realm %q, and this machine is of %q.", got, want),
		Mend: "Check the url in sallyportd.toml, or join this machine to the other realm.",
	}}
}

func unreadable(err error) error {
	return &provider.DoubtError{
		What: "The server's key list cannot be read by this program; the server may be newer.",
		Mend: "Upgrade sallyport on this machine.", Err: err,
	}
}

func olderList(got, seen uint64) error {
	return &provider.DoubtError{
		What: fmt.Sprintf("The server's key list is older than one that this machine has seen: version %d, and %d was seen.", got, seen),
		Mend: "If the server was restored from a backup, run \"sallyport-server keys sign\" there. If it was not, somebody may be answering with an old list.",
	}
}

// notSigned: the bundle says which key signed, and nobody need believe that.
func notSigned(pinned, claimed ed25519.PublicKey, err error) error {
	if errors.Is(err, identity.ErrUnknownKey) {
		what := "The server's key list is signed by another realm key than this machine's"
		if !bytes.Equal(pinned, claimed) {
			what += fmt.Sprintf(": %x… and not %x…", claimed[:8], pinned[:8])
		}
		return &provider.DoubtError{What: what + ".", Mend: "If the realm's key was lost and made anew, run here: " + trustCommand + ". If not, somebody else answers.", Err: err}
	}
	return &provider.DoubtError{
		What: "The server's key list does not verify, or is in a form that this program does not know.",
		Mend: "Upgrade sallyport on this machine if the server is newer. If it is not, somebody may have changed the list.", Err: err,
	}
}

func notIntroduced(err error) error {
	return &provider.DoubtError{
		What: "The server has a realm key now, and no signing key that this machine knows vouches for it.",
		Mend: "Run here: " + trustCommand + ".", Err: err,
	}
}

func unpinned() error {
	return &provider.DoubtError{
		What: "This machine has neither the realm's key nor a signing key from before, so it can believe no key list.",
		Mend: "Run here: " + trustCommand + ".",
	}
}

func keyUnvouched(err error) error {
	return &provider.DoubtError{
		What: "The server signs with a key that this machine does not know, and its program is too old to vouch for it.",
		Mend: "Upgrade sallyport-server; machines take new signing keys only from a key list.", Err: err,
	}
}

func oldServer(chain []*x509.Certificate, want []byte) error {
	what := "The server has no realm key: its program is older than this machine's."
	if showsCertificate(chain, want) {
		what = "The fingerprint is of the server's certificate, and it is right; but the server's program is older than this machine's and has no realm key."
	}
	return &provider.DoubtError{What: what, Mend: "Upgrade sallyport-server, and take the fingerprint that it then prints."}
}

// otherTLSKey says what is wrong with the certificate of a server that has the right realm
// key. A wrong name or date alone is no one in between, and is not called so; verify tells
// that it is alone.
func otherTLSKey(server string, leaf *x509.Certificate, err error, verify func(host string, now time.Time) error) error {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		if n := ip.String(); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	var name x509.HostnameError
	if errors.As(err, &name) && slices.ContainsFunc(names, func(n string) bool { return verify(n, time.Now()) == nil }) {
		return &provider.DoubtError{
			What: fmt.Sprintf("The server at %s is the right one, and its certificate is for other names than this: it is for %s.", server, strings.Join(names, ", ")),
			Mend: "Give --server a name that is in the certificate; or add this one to tls_names in the server's server.json, and restart it.",
			Err:  err,
		}
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && slices.ContainsFunc(names, func(n string) bool { return verify(n, leaf.NotAfter) == nil }) {
		return &provider.DoubtError{
			What: fmt.Sprintf("The server at %s is the right one, and its certificate counts from %s to %s only; this machine's clock says %s.", server,
				leaf.NotBefore.Local().Format(time.DateTime), leaf.NotAfter.Local().Format(time.DateTime), time.Now().Format(time.DateTime)),
			Mend: "Set this machine's clock, or renew the server's certificate.",
			Err:  err,
		}
	}
	return &provider.DoubtError{
		What: fmt.Sprintf("The realm key at %s is the right one, and the certificate is not the one that goes with the fingerprint.", server),
		Mend: "Check the server's certificate; if it is new, take a new fingerprint: sallyport-server keys show. If not, somebody may be in between.",
		Err:  err,
	}
}

func otherFingerprint(server string, chain []*x509.Certificate, want []byte) error {
	if showsCertificate(chain, want) {
		return &provider.DoubtError{
			What: "The fingerprint is the server's certificate's, as an older program printed it, and does not name the realm key.",
			Mend: "Take the fingerprint that \"sallyport-server keys show\" prints on the server.",
		}
	}
	return &provider.DoubtError{
		What: fmt.Sprintf("What %s shows has another fingerprint than the one given.", server),
		Mend: "Compare it with \"sallyport-server keys show\" on the server. If the fingerprint is typed right and the server has no new key, somebody may be in between.",
	}
}

// otherCertificate joins what is wrong with a certificate with what whoever showed it
// said about itself.
func otherCertificate(err, said error) error {
	var doubt *provider.DoubtError
	if errors.As(said, &doubt) {
		return errors.Join(err, said)
	}
	doubt = &provider.DoubtError{
		What: "The server's certificate is not the one that the realm's key list names, and there is no newer list that does.",
		Mend: "If the certificate was renewed while the realm key was not on the server, run \"sallyport-server keys sign --realm-key FILE\" there. If it has expired, renew it. If neither is so, somebody else answers at the server's address.",
		Err:  errors.Join(err, said),
	}
	var cause *provider.CauseError
	if errors.As(https.Caused(err, time.Now()), &cause) {
		return &provider.CauseError{Cause: cause.Cause, Places: cause.Places, Err: doubt}
	}
	return doubt
}
