package sshca

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/crypto/ssh"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	// hostLife is for how long a host certificate is good; a machine has it renewed each day.
	hostLife = 14 * 24 * time.Hour
	// maxHostKeys bounds the keys of one machine.
	maxHostKeys = 8
)

// Uses are the grants by which certificates are made; package request has them.
type Uses interface {
	Use(ctx context.Context, m store.Machine, id string, sessionToken []byte,
		f func(tx *store.Tx, r store.Request, s *identity.SessionToken, life time.Duration) error) (store.Request, error)
	View(r store.Request) *v1.RequestView
}

// Authority implements SSHService.
type Authority struct {
	*realm.Realm
	uses Uses
}

// New makes certificates with the realm's keys.
func New(r *realm.Realm, uses Uses) *Authority { return &Authority{r, uses} }

var _ sallyportv1connect.SSHServiceHandler = (*Authority)(nil)

// Certify implements SSHService.
func (a *Authority) Certify(ctx context.Context, req *v1.CertifyRequest) (*v1.CertifyResponse, error) {
	m, err := a.Machine(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // what the caller is told
	}
	key, err := ed25519Key(req.GetPublicKey())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	resp := &v1.CertifyResponse{ServerTime: timestamppb.New(a.Now())}
	var by store.SSHAuthority
	var list []*ssh.Certificate
	r, err := a.uses.Use(ctx, m, req.GetId(), req.GetSessionToken(), func(tx *store.Tx, r store.Request, s *identity.SessionToken, life time.Duration) (err error) {
		if by, err = a.SSHAuthority(tx, realm.ForSSHUsers); err == nil {
			resp.Hops, list, err = a.hops(tx, key, r, s, life)
		}
		return realm.Told(err) //nolint:wrapcheck // what the caller is told
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // what the caller is told
	}
	if err := a.sign(ctx, realm.ForSSHUsers, by, list); err != nil {
		return nil, a.Fault(ctx, "certify", err) //nolint:wrapcheck // what the caller is told
	}
	for i, c := range list {
		resp.Hops[i].Certificate = c.Marshal()
	}
	resp.Request = a.uses.View(r)
	return resp, nil
}

// ed25519Key reads a key in ssh's wire form.
func ed25519Key(wire []byte) (ssh.PublicKey, error) {
	k, err := ssh.ParsePublicKey(wire)
	if err != nil || k.Type() != ssh.KeyAlgoED25519 {
		return nil, errors.New("the key to certify is an Ed25519 key in ssh's wire form")
	}
	return k, nil
}

// hops makes a certificate, which is not signed yet, for each machine that is gone through,
// good there alone.
func (a *Authority) hops(tx *store.Tx, key ssh.PublicKey, r store.Request, s *identity.SessionToken, life time.Duration) (list []*v1.HopCertificate, unsigned []*ssh.Certificate, err error) {
	d, err := ParseDetail(r.Detail)
	if err != nil {
		return nil, nil, err
	}
	early, err := early(tx)
	if err != nil {
		return nil, nil, err
	}
	for i, h := range d.Hops {
		from, err := a.sourceOf(tx, d, i)
		if err != nil {
			return nil, nil, err
		}
		now := a.Now()
		c := &ssh.Certificate{
			Key: key, CertType: ssh.UserCert, Serial: serial(),
			KeyId:           identity.HopID{Asker: r.AccountName, At: r.MachineName, To: h.Name, As: h.As, Request: r.ID}.String(),
			ValidPrincipals: []string{identity.HopPrincipal(h.Machine, h.Account)},
			ValidAfter:      uint64(now.Add(-early).Unix()), ValidBefore: uint64(now.Add(life).Unix()), //nolint:gosec // times of today
			Permissions: ssh.Permissions{CriticalOptions: map[string]string{}, Extensions: extensions(d, i, r, s.Methods)},
		}
		if from != "" {
			c.CriticalOptions["source-address"] = from
		}
		keys, err := tx.HostKeys(h.Machine)
		if err != nil {
			return nil, nil, fmt.Errorf("host keys: %w", err)
		}
		unsigned = append(unsigned, c)
		list = append(list, &v1.HopCertificate{
			Machine: string(h.Name), HostAlias: identity.HostAlias(h.Machine), HostKeys: keys, ClockAheadSeconds: int64(a.ClockAhead(h.Machine) / time.Second),
		})
	}
	return list, unsigned, nil
}

// early is by how much a certificate begins before it was made, for machines whose clock is
// slow. It ends no later for that: its life is counted from now.
func early(tx *store.Tx) (time.Duration, error) {
	minutes, err := tx.CertificatesEarly()
	if err != nil {
		return 0, fmt.Errorf("when certificates begin: %w", err)
	}
	return time.Duration(minutes) * time.Minute, nil
}

// sourceOf are the addresses of the machine before, from which alone the hop may be
// reached; "" for the first one, which people reach from wherever they are.
func (a *Authority) sourceOf(tx *store.Tx, d Detail, i int) (string, error) {
	if i == 0 {
		return "", nil
	}
	before := d.Hops[i-1]
	h, err := tx.HostsOf(before.Machine)
	if err != nil {
		return "", fmt.Errorf("addresses: %w", err)
	}
	var list []string
	for _, address := range h.Addresses {
		list = append(list, address.String())
	}
	if len(list) == 0 {
		return "", realm.RefusalError(fmt.Sprintf("no address of %s is known, so nothing behind it can be limited to those who come through it: "+
			"its administrator says them with \"sallyport-server machine set %s --addresses ...\"", before.Name, before.Name))
	}
	return strings.Join(list, ","), nil
}

// extensions are what a hop allows: at the target what was granted, and at those before it
// to go on to the next one and nothing else.
func extensions(d Detail, i int, r store.Request, methods []identity.FactorKind) map[string]string {
	e := map[string]string{identity.HopSessions: string(r.Sessions)}
	if i < len(d.Hops)-1 {
		next := d.Hops[i+1]
		e["permit-port-forwarding"] = ""
		e[identity.HopNext] = fmt.Sprintf("%s %d", next.Host, next.Port)
		return e
	}
	e["permit-pty"] = ""
	local, remote := slices.Contains(d.Forward, "local"), slices.Contains(d.Forward, "remote")
	if local || remote {
		e["permit-port-forwarding"] = ""
	}
	if local {
		e[identity.HopLocal] = ""
	}
	if remote {
		e[identity.HopRemote] = ""
	}
	if slices.Contains(d.Forward, "x11") {
		e["permit-X11-forwarding"] = ""
	}
	if r.Earn {
		e[identity.HopEarn] = ""
	}
	e[identity.HopMethods] = strings.Join(realm.Words(methods), ",")
	return e
}

func serial() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// CertifyHost implements SSHService: for the calling machine, by the names that the realm
// knows it by.
func (a *Authority) CertifyHost(ctx context.Context, req *v1.CertifyHostRequest) (*v1.CertifyHostResponse, error) {
	m, err := a.Machine(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // what the caller is told
	}
	if n := len(req.GetPublicKeys()); n == 0 || n > maxHostKeys {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("%d host keys: 1 to %d can be certified", n, maxHostKeys))
	}
	keys := slices.SortedFunc(slices.Values(req.GetPublicKeys()), bytes.Compare)
	for _, wire := range keys {
		if _, err := hostKey(wire); err != nil {
			return nil, connect.NewError(connect.CodeInvalidArgument, err)
		}
	}
	resp := &v1.CertifyHostResponse{Expires: timestamppb.New(a.Now().Add(hostLife))}
	news, none := false, error(nil)
	var by store.SSHAuthority
	var list []*ssh.Certificate
	err = a.Store.Read(ctx, func(tx *store.Tx) error {
		known, err := tx.HostKeys(m.UUID)
		if news = err == nil && !slices.EqualFunc(known, keys, bytes.Equal); err != nil || news {
			return err //nolint:wrapcheck // below
		}
		by, list, none = a.hostCertificates(tx, m, req.GetPublicKeys())
		return nil
	})
	if err == nil && news {
		// They are remembered also where the realm makes no certificates yet.
		err = a.Store.Write(ctx, func(tx *store.Tx) error {
			by, list, none = a.hostCertificates(tx, m, req.GetPublicKeys())
			return a.noteHostKeys(tx, m, keys)
		})
	}
	if err == nil && none == nil {
		none = a.sign(ctx, realm.ForSSHHosts, by, list)
	}
	if err = errors.Join(err, realm.Told(none)); err != nil {
		return nil, a.Fault(ctx, "certify host keys", err) //nolint:wrapcheck // what the caller is told
	}
	for _, c := range list {
		resp.Certificates = append(resp.Certificates, c.Marshal())
	}
	return resp, nil
}

// hostCertificates makes a certificate, which is not signed yet, of each of a machine's host
// keys, and says by which key it is to be signed.
func (a *Authority) hostCertificates(tx *store.Tx, m store.Machine, keys [][]byte) (by store.SSHAuthority, list []*ssh.Certificate, err error) {
	if by, err = a.SSHAuthority(tx, realm.ForSSHHosts); err != nil {
		return by, nil, err //nolint:wrapcheck // for people
	}
	names, err := hostNames(tx, m)
	if err != nil {
		return by, nil, err
	}
	early, err := early(tx)
	if err != nil {
		return by, nil, err
	}
	now := a.Now()
	for _, wire := range keys {
		key, err := hostKey(wire)
		if err != nil {
			return by, nil, err
		}
		list = append(list, &ssh.Certificate{
			Key: key, CertType: ssh.HostCert, Serial: serial(), KeyId: "host " + string(m.Name), ValidPrincipals: names,
			ValidAfter: uint64(now.Add(-early).Unix()), ValidBefore: uint64(now.Add(hostLife).Unix()), //nolint:gosec // times of today
		})
	}
	return by, list, nil
}

// noteHostKeys remembers a machine's host keys, sorted, for people who log in to it: they
// need not wait until its sshd shows a certificate.
func (a *Authority) noteHostKeys(tx *store.Tx, m store.Machine, keys [][]byte) error {
	if err := tx.SetHostKeys(m.UUID, keys); err != nil {
		return err //nolint:wrapcheck // of CertifyHost
	}
	return tx.Record(store.Entry{ //nolint:wrapcheck // of CertifyHost
		Time: a.Now(), Actor: "machine " + string(m.Name), Action: "machine.host_keys", Subject: string(m.Name), Detail: fmt.Sprintf("keys=%d", len(keys)),
	})
}

// hostNames are what a machine's host certificate says that it is: the name that no name
// server has, the realm's, and what administrators called it. What it says of itself is not
// asked.
func hostNames(tx *store.Tx, m store.Machine) ([]string, error) {
	h, err := tx.HostsOf(m.UUID)
	if err != nil {
		return nil, fmt.Errorf("host names: %w", err)
	}
	names := []string{identity.HostAlias(m.UUID)}
	own, err := tx.MachineByHost(string(m.Name))
	if err == nil && own.UUID == m.UUID { // not where that is another's host name
		names = append(names, string(m.Name))
	}
	names = append(names, h.Names...)
	for _, address := range h.Addresses {
		names = append(names, address.String())
	}
	return names, nil
}

// hostKey reads a host key; a certificate is none.
func hostKey(wire []byte) (ssh.PublicKey, error) {
	k, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, errors.New("a host key that is none")
	}
	if _, is := k.(*ssh.Certificate); is || !bytes.Equal(k.Marshal(), wire) {
		return nil, errors.New("a host key that is a certificate")
	}
	return k, nil
}
