package admin

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of what a realm sets.
const (
	maxPoints      = 1000 // of one kind
	maxAuthorities = 32
	maxEarly       = 15 // minutes
)

// ShowRealm implements AdminService.
func (s *Admin) ShowRealm(ctx context.Context, _ *v1.ShowRealmRequest) (*v1.RealmView, error) {
	var view *v1.RealmView
	err := s.read(ctx, "show", "realm", func(tx *store.Tx) (err error) {
		view, err = s.realmView(tx)
		return err
	})
	return view, err
}

func (s *Admin) realmView(tx *store.Tx) (*v1.RealmView, error) {
	points, err := tx.Points()
	if err != nil {
		return nil, err
	}
	trusted, err := tx.Attestation()
	if err != nil {
		return nil, err
	}
	rules, err := tx.PasswordRules()
	if err != nil {
		return nil, err
	}
	stored, err := tx.StoredKeys()
	if err != nil {
		return nil, err
	}
	wait, err := tx.RequestWait()
	if err != nil {
		return nil, err
	}
	early, err := tx.CertificatesEarly()
	if err != nil {
		return nil, err
	}
	opaque, err := tx.OpaquePasswords()
	if err != nil {
		return nil, err
	}
	organisation, err := tx.Organisation()
	if err != nil {
		return nil, err
	}
	console, err := tx.ConsoleSettings()
	if err != nil {
		return nil, err
	}
	v := &v1.RealmView{
		StoredKeys: string(stored), RequestWaitSeconds: seconds(wait),
		Name: s.Name, RequireAttestation: trusted.Required,
		PasswordMaxAge: rules.MaxAge, PasswordMinLength: rules.MinLength, PasswordHistory: rules.History,
		CertificatesEarly: early, OpaquePasswords: opaque.On, Organisation: organisation,
		Console: console.On, VerifyServerKeys: console.ServerKeys,
	}
	entries, path, fault := s.credentials.CommonPasswords()
	if v.CommonPasswords, v.CommonPasswordsFile = uint32(entries), path; fault != nil { //nolint:gosec // bounded by the size of the file
		v.CommonPasswordsFault = fault.Error()
	}
	for _, k := range points {
		v.Points = append(v.Points, &v1.KindPoints{Kind: string(k.Kind), Points: uint32(k.Points)})
	}
	for _, der := range trusted.Authorities {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("attestation authority: %w", err)
		}
		v.AttestationCa = append(v.AttestationCa, c.Subject.String())
	}
	return v, nil
}

// SetRealm implements AdminService.
func (s *Admin) SetRealm(ctx context.Context, req *v1.SetRealmRequest) (*v1.RealmView, error) {
	points, err := newPoints(req.GetPoints())
	if err != nil {
		return nil, s.told(ctx, "set", "realm", err)
	}
	var authorities [][]byte
	if req.AttestationCa != nil {
		if authorities, err = parseAuthorities(req.GetAttestationCa()); err != nil {
			return nil, s.told(ctx, "set", "realm", err)
		}
	}
	stored, err := storedKeys(req.StoredKeys, false)
	if err != nil {
		return nil, s.told(ctx, "set", "realm", err)
	}
	var view *v1.RealmView
	err = s.change(ctx, "realm.set", s.Name, realmDetail(req, authorities), func(tx *store.Tx) error {
		if req.GetNewestCopy() {
			if err := s.Supersede(tx); err != nil {
				return err
			}
		}
		if len(points) > 0 {
			if err := setPoints(tx, points); err != nil {
				return err
			}
		}
		if req.StoredKeys != nil {
			if err := errors.Join(certifies(tx, stored), tx.SetStoredKeys(stored)); err != nil {
				return err
			}
		}
		if err := errors.Join(setAttestation(tx, req, authorities), setPasswordRules(tx, req.PasswordMinLength, req.PasswordHistory, req.PasswordMaxAge),
			setRequestWait(tx, req.RequestWaitSeconds), setEarly(tx, req), s.setOpaque(tx, req.OpaquePasswords), setOrganisation(tx, req.Organisation),
			s.setConsole(tx, req, actor(ctx))); err != nil {
			return err
		}
		var err error
		view, err = s.realmView(tx)
		return err
	})
	return view, err
}

// setEarly changes by how much ssh certificates begin early.
func setEarly(tx *store.Tx, req *v1.SetRealmRequest) error {
	switch {
	case req.CertificatesEarly == nil:
		return nil
	case req.GetCertificatesEarly() > maxEarly:
		return inputError("certificates can begin %d minutes early at most, not %d", maxEarly, req.GetCertificatesEarly())
	default:
		return tx.SetCertificatesEarly(req.GetCertificatesEarly())
	}
}

// setOpaque says whether passwords are registered by OPAQUE. The keys are made once and stay:
// what was registered is good under these alone.
func (s *Admin) setOpaque(tx *store.Tx, on *bool) error {
	if on == nil {
		return nil
	}
	set, err := tx.OpaquePasswords()
	if err != nil {
		return err
	}
	if set.On = *on; set.On && set.Sealed == nil {
		if set.Sealed, err = s.credentials.NewOpaqueKeys(); err != nil {
			return err
		}
	}
	return tx.SetOpaquePasswords(set)
}

func realmDetail(req *v1.SetRealmRequest, authorities [][]byte) string {
	var detail []string
	for _, k := range req.GetPoints() {
		detail = append(detail, fmt.Sprintf("points of %s=%d", k.GetKind(), k.GetPoints()))
	}
	if req.AttestationCa != nil {
		detail = append(detail, fmt.Sprintf("attestation_ca=%d", len(authorities)))
	}
	if req.RequireAttestation != nil {
		detail = append(detail, fmt.Sprintf("require_attestation=%t", req.GetRequireAttestation()))
	}
	if req.PasswordMaxAge != nil {
		detail = append(detail, fmt.Sprintf("password_max_age=%d", req.GetPasswordMaxAge()))
	}
	if req.PasswordMinLength != nil {
		detail = append(detail, fmt.Sprintf("password_min_length=%d", req.GetPasswordMinLength()))
	}
	if req.PasswordHistory != nil {
		detail = append(detail, fmt.Sprintf("password_history=%d", req.GetPasswordHistory()))
	}
	if req.StoredKeys != nil {
		detail = append(detail, "stored_keys="+req.GetStoredKeys())
	}
	if req.RequestWaitSeconds != nil {
		detail = append(detail, fmt.Sprintf("request_wait=%d", req.GetRequestWaitSeconds()))
	}
	if req.CertificatesEarly != nil {
		detail = append(detail, fmt.Sprintf("certificates_early=%d", req.GetCertificatesEarly()))
	}
	if req.OpaquePasswords != nil {
		detail = append(detail, fmt.Sprintf("opaque_passwords=%t", req.GetOpaquePasswords()))
	}
	if req.Organisation != nil {
		detail = append(detail, fmt.Sprintf("organisation=%q", realm.Clip(req.GetOrganisation())))
	}
	if req.VerifyServerKeys != nil {
		detail = append(detail, fmt.Sprintf("verify_server_keys=%t", req.GetVerifyServerKeys()))
	}
	if req.Console != nil {
		detail = append(detail, fmt.Sprintf("console=%t", req.GetConsole()))
	}
	if req.GetNewestCopy() {
		detail = append(detail, "newest_copy")
	}
	return strings.Join(detail, " ")
}

func newPoints(list []*v1.KindPoints) (identity.Points, error) {
	var points identity.Points
	known := identity.DefaultPoints()
	for _, k := range list {
		kind := identity.FactorKind(k.GetKind())
		if !slices.ContainsFunc(known, func(p identity.KindPoints) bool { return p.Kind == kind }) {
			return nil, fmt.Errorf("%w: there is no factor %q; there are password, totp, piv and backup-code", realm.ErrInput, k.GetKind())
		}
		if slices.ContainsFunc(points, func(p identity.KindPoints) bool { return p.Kind == kind }) {
			return nil, fmt.Errorf("%w: points of %q twice", realm.ErrInput, kind)
		}
		if k.GetPoints() > maxPoints {
			return nil, fmt.Errorf("%w: %q cannot count %d, at most %d", realm.ErrInput, kind, k.GetPoints(), maxPoints)
		}
		points = append(points, identity.KindPoints{Kind: kind, Points: uint16(k.GetPoints())}) //nolint:gosec // bounded above
	}
	return points, nil
}

// setPoints changes what kinds count, unless a group would demand what nobody can
// reach any more.
func setPoints(tx *store.Tx, points identity.Points) error {
	if err := tx.SetPoints(points); err != nil {
		return err
	}
	groups, err := tx.Groups()
	if err != nil {
		return err
	}
	for i := range groups {
		if err := attainable(tx, &groups[i]); err != nil {
			return fmt.Errorf("group %s: %w", groups[i].Name, err)
		}
	}
	return nil
}

// attainable refuses a group that demands more points than all kinds come to.
func attainable(tx *store.Tx, g *identity.Group) error {
	points, err := tx.Points()
	if err != nil {
		return err
	}
	var kinds []identity.FactorKind
	for _, k := range points {
		kinds = append(kinds, k.Kind)
	}
	if all := points.Sum(kinds); int(g.Points) > all {
		return fmt.Errorf("%w: nobody can reach %d points, all factors together come to %d", realm.ErrInput, g.Points, all)
	}
	return nil
}

func setAttestation(tx *store.Tx, req *v1.SetRealmRequest, authorities [][]byte) error {
	if req.AttestationCa == nil && req.RequireAttestation == nil {
		return nil
	}
	trusted, err := tx.Attestation()
	if err != nil {
		return err
	}
	if req.AttestationCa != nil {
		trusted.Authorities = authorities
	}
	if req.RequireAttestation != nil {
		trusted.Required = req.GetRequireAttestation()
	}
	if trusted.Required && len(trusted.Authorities) == 0 {
		return fmt.Errorf("%w: attestation cannot be required without an authority to trust: give it too", realm.ErrInput)
	}
	return tx.SetAttestation(trusted)
}

// parseAuthorities reads certificates in PEM, and nothing else.
func parseAuthorities(text []byte) ([][]byte, error) {
	var list [][]byte
	for rest := bytes.TrimSpace(text); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%w: the attestation authorities are not certificates in PEM", realm.ErrInput)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: attestation authority: %w", realm.ErrInput, err)
		}
		if !c.IsCA {
			return nil, fmt.Errorf("%w: %s is no authority", realm.ErrInput, c.Subject)
		}
		list = append(list, c.Raw)
	}
	if len(list) > maxAuthorities {
		return nil, errors.Join(realm.ErrInput, fmt.Errorf("at most %d authorities", maxAuthorities))
	}
	return list, nil
}
