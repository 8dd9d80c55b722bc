package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// view is an account as administrators are shown it.
func (s *Admin) view(tx *store.Tx, a store.Account) (*v1.AccountView, error) {
	t, err := s.Claims(tx, a)
	if err != nil {
		return nil, err
	}
	v := &v1.AccountView{
		Uuid: a.UUID.String(), Name: string(a.Name), Uid: a.UID, Gid: a.GID, FullName: a.FullName, Home: a.Home, Shell: a.Shell,
		State: a.State.String(), Revision: a.Revision,
	}
	if a.ValidFrom != 0 {
		v.ValidFrom = timestamppb.New(time.Unix(a.ValidFrom, 0))
	}
	if a.ValidUntil != identity.Never {
		v.ValidUntil = timestamppb.New(time.Unix(a.ValidUntil, 0))
	}
	for _, g := range t.Groups {
		v.Groups = append(v.Groups, string(g.Name))
	}
	for _, k := range t.SSHKeys {
		v.SshKeys = append(v.SshKeys, &v1.SSHKeyView{Tag: k.Tag, Line: k.Line})
	}
	for _, f := range t.Factors {
		v.Factors = append(v.Factors, string(f.Kind))
	}
	if err := s.viewProofs(tx, a, v); err != nil {
		return nil, err
	}
	if err := s.viewPlaces(tx, a, v); err != nil {
		return nil, err
	}
	return v, s.viewPassword(tx, a, v)
}

// viewProofs adds cards and backup codes.
func (s *Admin) viewProofs(tx *store.Tx, a store.Account, v *v1.AccountView) error {
	cards, err := tx.Cards(a.UUID)
	if err != nil {
		return err
	}
	for _, c := range cards {
		view, err := cardView(c, s.Now())
		if err != nil {
			return err
		}
		v.Cards = append(v.Cards, view)
	}
	b, err := tx.BackupCodes(a.UUID)
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	v.BackupCodes = uint32(b.Left) //nolint:gosec // a handful
	return err
}

// AddAccount implements AdminService.
func (s *Admin) AddAccount(ctx context.Context, req *v1.AddAccountRequest) (*v1.AccountView, error) {
	a, err := newAccount(req)
	if err == nil {
		err = s.mayAdd(a.Name, a.UID)
	}
	if err != nil {
		return nil, s.told(ctx, "add account", req.GetName(), err)
	}
	var view *v1.AccountView
	err = s.change(ctx, "account.add", req.GetName(), "", func(tx *store.Tx) error {
		added, err := tx.AddAccount(a)
		if err != nil {
			return err
		}
		// What cannot be a token must not become an account.
		t, err := s.Claims(tx, added)
		if err != nil {
			return err
		}
		if err := t.Validate(); err != nil {
			return err
		}
		view, err = s.view(tx, added)
		return err
	})
	return view, err
}

func newAccount(req *v1.AddAccountRequest) (store.Account, error) {
	name, err := identity.ParseShortName(req.GetName())
	if err != nil {
		return store.Account{}, err
	}
	a := store.Account{State: identity.Active, ValidUntil: identity.Never}
	a.Name, a.FullName, a.Home, a.Shell = name, req.GetFullName(), req.GetHome(), req.GetShell()
	if a.Home == "" {
		a.Home = "/home/" + string(name)
	}
	if a.Shell == "" {
		a.Shell = "/bin/bash"
	}
	if req.Uid != nil {
		// Zero would mean "allot one" below.
		if a.UID = req.GetUid(); a.UID == 0 {
			return store.Account{}, identity.CheckID(0)
		}
	}
	if req.GetValidFrom() != nil {
		a.ValidFrom = req.GetValidFrom().AsTime().Unix()
	}
	if req.GetValidUntil() != nil {
		a.ValidUntil = req.GetValidUntil().AsTime().Unix()
	}
	return a, checkDates(a)
}

// checkDates refuses what is no time of validity.
func checkDates(a store.Account) error {
	if a.ValidFrom > a.ValidUntil || a.ValidFrom < 0 || a.ValidUntil > identity.Never {
		return fmt.Errorf("%w: valid until is before valid from", realm.ErrInput)
	}
	return nil
}

// ShowAccount implements AdminService.
func (s *Admin) ShowAccount(ctx context.Context, req *v1.NameRequest) (*v1.AccountView, error) {
	var view *v1.AccountView
	err := s.read(ctx, "show account", req.GetName(), func(tx *store.Tx) error {
		a, err := named(tx, req.GetName())
		if err == nil {
			view, err = s.view(tx, a)
		}
		return err
	})
	return view, err
}

// ListAccounts implements AdminService.
func (s *Admin) ListAccounts(ctx context.Context, _ *v1.ListRequest) (*v1.ListAccountsResponse, error) {
	resp := &v1.ListAccountsResponse{}
	err := s.read(ctx, "list", "accounts", func(tx *store.Tx) error {
		all, err := tx.Accounts()
		if err != nil {
			return err
		}
		for _, a := range all {
			v, err := s.view(tx, a)
			if err != nil {
				return err
			}
			resp.Accounts = append(resp.Accounts, v)
		}
		return nil
	})
	return resp, err
}

// SetAccountState implements AdminService.
func (s *Admin) SetAccountState(ctx context.Context, req *v1.SetAccountStateRequest) (*v1.AccountView, error) {
	action, state := "account.enable", identity.Active
	if req.GetDisabled() {
		action, state = "account.disable", identity.Disabled
	}
	return s.onAccount(ctx, action, req.GetName(), "", func(tx *store.Tx, a store.Account) error {
		return tx.SetState(a.UUID, state)
	})
}

// RemoveAccount implements AdminService.
func (s *Admin) RemoveAccount(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	return &v1.Done{}, s.change(ctx, "account.remove", req.GetName(), "", func(tx *store.Tx) error {
		a, err := named(tx, req.GetName())
		if err != nil {
			return err
		}
		return tx.RemoveAccount(a.UUID)
	})
}

// UnlockAccount implements AdminService.
func (s *Admin) UnlockAccount(ctx context.Context, req *v1.NameRequest) (*v1.AccountView, error) {
	return s.onAccount(ctx, "account.unlock", req.GetName(), "", func(tx *store.Tx, a store.Account) error {
		return tx.Unlock(a.Name, s.Now())
	})
}

// SetPassword implements AdminService.
func (s *Admin) SetPassword(ctx context.Context, req *v1.SetPasswordRequest) (*v1.AccountView, error) {
	password := identity.NewSecret(req.GetPassword())
	defer password.Wipe()
	judged, phc, err := s.credentials.NewPassword(ctx, func(tx *store.Tx) (store.Account, error) { return named(tx, req.GetName()) }, password)
	if err != nil {
		return nil, s.told(ctx, "set password of", req.GetName(), err)
	}
	return s.onAccount(ctx, "account.set-password", req.GetName(), "", func(tx *store.Tx, a store.Account) error {
		if a.UUID != judged {
			return identity.ErrNotFound // removed meanwhile, and another has the name
		}
		now, err := tx.Clock(s.Now())
		if err != nil {
			return err
		}
		if err := tx.SetPassword(a.UUID, phc, now); err != nil || !req.GetMustChange() {
			return err
		}
		return tx.MustChangePassword(a.UUID, true)
	})
}

// AddSSHKey implements AdminService.
func (s *Admin) AddSSHKey(ctx context.Context, req *v1.AddSSHKeyRequest) (*v1.AccountView, error) {
	key, err := parseSSHKey(req.GetTag(), req.GetLine())
	if err != nil {
		return nil, s.told(ctx, "add key to", req.GetName(), fmt.Errorf("%w: %w", realm.ErrInput, err))
	}
	detail := "tag=" + key.Tag
	if line, err := identity.ParseKeyLine(key.Line); err == nil && line.Text != "" {
		detail += fmt.Sprintf(" options=%q", line.Text)
	}
	return s.onAccount(ctx, "account.add-key", req.GetName(), detail, func(tx *store.Tx, a store.Account) error {
		have, err := tx.SSHKeys(a.UUID)
		if err != nil {
			return err
		}
		if len(have) >= identity.MaxSSHKeys {
			return fmt.Errorf("%w: at most %d keys", realm.ErrInput, identity.MaxSSHKeys)
		}
		return tx.AddSSHKey(a.UUID, key)
	})
}

// parseSSHKey reads one line of authorized_keys(5). Its options are kept as they were given.
func parseSSHKey(tag, line string) (identity.SSHKey, error) {
	line = strings.Trim(line, " \t\r\n")
	if strings.ContainsAny(line, "\r\n\x00") {
		return identity.SSHKey{}, errors.New("give one key, in one line")
	}
	before, text := "", line
	if _, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line)); err == nil && len(options) > 0 { //nolint:dogsled // whether it has options
		before, text, _ = identity.CutKeyOptions(line) // they are read by sshd's own grammar below
		before += " "
	}
	pub, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err == nil && (len(options) > 0 || !strings.HasPrefix(text, pub.Type()+" ")) {
		err = errors.New("what stands before the key is neither its type nor options")
	}
	if err != nil {
		return identity.SSHKey{}, fmt.Errorf("not a public key as in authorized_keys: %w", err)
	}
	if _, is := pub.(*ssh.Certificate); is {
		return identity.SSHKey{}, errors.New("it is a certificate, which sshd accepts nobody by. Give the key itself, " +
			"or the key of who signs certificates with the options cert-authority and principals")
	}
	if tag == "" {
		tag = comment
	}
	if tag == "" {
		tag = strings.ReplaceAll(ssh.FingerprintSHA256(pub), ":", "-")
	}
	k := identity.SSHKey{Tag: tag, Line: before + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))}
	return k, k.Validate()
}

// RemoveSSHKey implements AdminService.
func (s *Admin) RemoveSSHKey(ctx context.Context, req *v1.RemoveSSHKeyRequest) (*v1.AccountView, error) {
	return s.onAccount(ctx, "account.remove-key", req.GetName(), "tag="+req.GetTag(), func(tx *store.Tx, a store.Account) error {
		return tx.RemoveSSHKey(a.UUID, req.GetTag())
	})
}

// AddTOTP implements AdminService.
func (s *Admin) AddTOTP(ctx context.Context, req *v1.AddTOTPRequest) (*v1.AddTOTPResponse, error) {
	var secret identity.Secret
	var err error
	resp := &v1.AddTOTPResponse{}
	if len(req.GetSecret()) == 0 {
		secret, resp.OtpauthUrl, err = s.credentials.NewTOTP(identity.Name(req.GetName()))
	} else if secret, err = s.credentials.ParseTOTP(req.GetSecret()); err != nil {
		err = fmt.Errorf("%w: %w", realm.ErrInput, err)
	}
	if err == nil {
		if bad := identity.CheckText(req.GetLabel(), identity.MaxText); bad != nil {
			err = fmt.Errorf("%w: label: %w", realm.ErrInput, bad)
		}
	}
	if err != nil {
		return nil, s.told(ctx, "add TOTP to", req.GetName(), err)
	}
	defer secret.Wipe()
	resp.Account, err = s.onAccount(ctx, "account.add-totp", req.GetName(), "", func(tx *store.Tx, a store.Account) error {
		return tx.SetTOTP(a.UUID, s.Box.Seal(a.UUID, secret), req.GetLabel())
	})
	return resp, err
}

// RemoveTOTP implements AdminService.
func (s *Admin) RemoveTOTP(ctx context.Context, req *v1.NameRequest) (*v1.AccountView, error) {
	return s.onAccount(ctx, "account.remove-totp", req.GetName(), "", func(tx *store.Tx, a store.Account) error {
		return tx.RemoveTOTP(a.UUID)
	})
}
