package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// maxPasswordAge of a password, in days: a hundred years.
const maxPasswordAge = 36500

// viewPassword adds how long the password is good for.
func (s *Admin) viewPassword(tx *store.Tx, a store.Account, v *v1.AccountView) error {
	p, err := tx.Password(a.UUID)
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	v.MustChangePassword, v.OpaquePassword = p.MustChange, s.credentials.Registered(p)
	if p.ChangeBy != 0 && !p.MustChange {
		v.PasswordChangeBy = timestamppb.New(time.Unix(p.ChangeBy, 0))
	}
	return err
}

// SetAccount implements AdminService.
func (s *Admin) SetAccount(ctx context.Context, req *v1.SetAccountRequest) (*v1.AccountView, error) {
	return s.onAccount(ctx, "account.set", req.GetName(), accountDetail(req), func(tx *store.Tx, a store.Account) error {
		if req.MustChange != nil {
			err := tx.MustChangePassword(a.UUID, req.GetMustChange())
			if errors.Is(err, identity.ErrNotFound) {
				return fmt.Errorf("%w: the account has no password to change: set one first", realm.ErrInput)
			}
			if err != nil {
				return err
			}
		}
		if req.NewName != nil {
			name, err := s.newName(req.GetNewName())
			if err != nil {
				return err
			}
			if err := tx.RenameAccount(a.UUID, name); err != nil {
				return err
			}
			a.Name = name
		}
		if req.NewName == nil && req.FullName == nil && req.Home == nil && req.Shell == nil && req.GetValidFrom() == nil && req.GetValidUntil() == nil {
			return nil
		}
		if err := setDates(&a, req); err != nil {
			return err
		}
		for from, into := range map[*string]*string{req.FullName: &a.FullName, req.Home: &a.Home, req.Shell: &a.Shell} {
			if from != nil {
				*into = *from
			}
		}
		if err := tx.SetAccount(a); err != nil {
			return err
		}
		// What cannot be a token must not become an account.
		t, err := s.Claims(tx, a)
		if err != nil {
			return err
		}
		return t.Validate()
	})
}

// setDates changes what is given of an account's validity.
func setDates(a *store.Account, req *v1.SetAccountRequest) error {
	if t := req.GetValidFrom(); t != nil {
		a.ValidFrom = t.AsTime().Unix()
	}
	if t := req.GetValidUntil(); t != nil {
		if a.ValidUntil = t.AsTime().Unix(); a.ValidUntil == 0 {
			a.ValidUntil = identity.Never
		}
	}
	return checkDates(*a)
}

func accountDetail(req *v1.SetAccountRequest) string {
	var detail []string
	if req.NewName != nil {
		detail = append(detail, fmt.Sprintf("name=%q", req.GetNewName()))
	}
	if req.FullName != nil {
		detail = append(detail, "full_name")
	}
	if req.Home != nil {
		detail = append(detail, "home")
	}
	if req.Shell != nil {
		detail = append(detail, "shell")
	}
	if req.MustChange != nil {
		detail = append(detail, fmt.Sprintf("must_change=%t", req.GetMustChange()))
	}
	if t := req.GetValidFrom(); t != nil {
		detail = append(detail, "valid_from="+t.AsTime().Format(time.RFC3339))
	}
	if t := req.GetValidUntil(); t != nil {
		detail = append(detail, "valid_until="+t.AsTime().Format(time.RFC3339))
	}
	return strings.Join(detail, " ")
}
