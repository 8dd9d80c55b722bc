package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/passwords"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// maxPurpose bounds what an authentication is for.
const maxPurpose = 200

// maxOrigin bounds where an attempt comes from; no machine of ours says more.
const maxOrigin = 160

// originOf is where a machine says that an attempt comes from. An older machine says
// nothing: all it asks for is of one origin.
func originOf(s string) (string, error) {
	if s == "" {
		return identity.Origin{}.String(), nil
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	if len(s) > maxOrigin || strings.ContainsFunc(s, odd) {
		return "", fmt.Errorf("the origin is longer than %d bytes, or cannot be printed", maxOrigin)
	}
	return s, nil
}

// Begin implements AuthenticationService.
func (e *Engine) Begin(ctx context.Context, req *v1.BeginRequest) (*v1.BeginResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	name, err := identity.ParseShortName(req.GetName())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if err := e.factors.checkAlteration(req); err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	origin, err := originOf(req.GetOrigin())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if len(req.GetPurpose()) > maxPurpose {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("a purpose of more than %d bytes", maxPurpose))
	}
	if e.Reads() != nil && (req.GetEnrol() != "" || req.GetRemove() != "" || req.GetPurpose() != "" || req.GetChangesPassword()) {
		return nil, errChangesNothing
	}
	if req.GetChangesPassword() {
		if req.GetEnrol() != "" || req.GetRemove() != "" || req.GetPurpose() != "" {
			return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("a change of the password, or something else"))
		}
		if !m.OpaqueRealm {
			return &v1.BeginResponse{Outcome: v1.Outcome_OUTCOME_DENY, ServerTime: timestamppb.New(e.Now())}, nil
		}
	}
	a, err := e.admit(&session{
		client: machineAsClient(m), name: name, origin: origin, service: realm.Clip(req.GetService()), remoteHost: realm.Clip(req.GetRemoteHost()),
		usedStep: req.GetUsedStep(), usedEpoch: req.GetUsedEpoch(), enrol: identity.FactorKind(req.GetEnrol()),
		remove: identity.FactorKind(req.GetRemove()), removeCard: req.GetRemoveCard(),
		asksNew: req.GetChangesDuePasswords() && req.GetPurpose() == "", purpose: req.GetPurpose(),
		opaque: m.OpaqueRealm, changes: req.GetChangesPassword(),
	})
	if err != nil {
		return nil, e.Fault(ctx, "begin", err)
	}
	resp := &v1.BeginResponse{
		Outcome: v1.Outcome_OUTCOME_CONTINUE, Session: a.cookie, Offers: realm.Words(a.offers), ServerTime: timestamppb.New(e.Now()),
		Nonce: nonce(a),
	}
	if req.GetChangesPassword() {
		rules, err := e.passwordRules(ctx)
		if err != nil {
			return nil, e.Fault(ctx, "begin", err)
		}
		resp.PasswordMinLength = rules.MinLength
	}
	return resp, nil
}

// checkAlteration refuses what cannot be made or taken away, whoever asks.
func (l factors) checkAlteration(req *v1.BeginRequest) error {
	enrol, remove := identity.FactorKind(req.GetEnrol()), identity.FactorKind(req.GetRemove())
	able := l.kinds(isAlterable)
	may := func(k identity.FactorKind) bool { return k == "" || slices.Contains(able, k) }
	named := false
	if f, ok := l.of(remove); ok {
		named = f.traits().several
	}
	switch {
	case !may(enrol), !may(remove):
		return fmt.Errorf("%s can be enrolled and removed", sentence(able))
	case enrol != "" && remove != "":
		return errors.New("enrol or remove, not both")
	case named != (len(req.GetRemoveCard()) > 0), named && len(req.GetRemoveCard()) != sha256.Size:
		return errors.New("a card to remove is named by the SHA-256 of its certificate, and nothing else is")
	default:
		return nil
	}
}

// sentence lists kinds for people.
func sentence(kinds []identity.FactorKind) string {
	quoted := make([]string, len(kinds))
	for i, k := range kinds {
		quoted[i] = strconv.Quote(string(k))
	}
	last := len(quoted) - 1
	if last < 1 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:last], ", ") + " and " + quoted[last]
}

// nonce is the answer's, nil where no card may come next.
func nonce(a answer) *v1.Nonce {
	if a.nonce == (identity.Nonce{}) {
		return nil
	}
	return &v1.Nonce{Value: a.nonce.Value[:], Time: a.nonce.Time}
}

// Step implements AuthenticationService.
func (e *Engine) Step(ctx context.Context, req *v1.StepRequest) (*v1.StepResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	credential := identity.NewSecret(req.GetCredential())
	defer credential.Wipe()
	a, err := e.step(ctx, machineAsClient(m), req.GetSession(), identity.FactorKind(req.GetKind()), credential, req.GetMore())
	if err != nil {
		return nil, e.Fault(ctx, "step", err)
	}
	resp := &v1.StepResponse{Outcome: v1.Outcome_OUTCOME_DENY, Message: a.message, Locked: a.locked, Proved: a.proved(), ServerTime: timestamppb.New(e.Now())}
	resp.Stray = a.stray
	switch {
	case a.allow:
		resp.Outcome, resp.SessionToken, resp.IdToken = v1.Outcome_OUTCOME_ALLOW, a.session, a.id
		for _, f := range a.sealed {
			resp.Sealed = append(resp.Sealed, &v1.SealedFactor{Kind: string(f.kind), Epoch: f.epoch, Blob: f.blob, LastStep: f.lastStep, SealingKey: f.key})
		}
		for _, c := range a.codes {
			resp.BackupCodes = append(resp.BackupCodes, c.Reveal())
		}
	case len(a.offers) > 0:
		resp.Outcome, resp.Offers, resp.Session = v1.Outcome_OUTCOME_CONTINUE, realm.Words(a.offers), a.cookie
		resp.OtpauthUrl, resp.Nonce, resp.Opaque = []byte(a.url), nonce(a), a.opaque
	}
	return resp, nil
}

// ChangePassword implements AuthenticationService.
func (e *Engine) ChangePassword(ctx context.Context, req *v1.ChangePasswordRequest) (*v1.ChangePasswordResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	name, err := identity.ParseShortName(req.GetName())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	origin, err := originOf(req.GetOrigin())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	old, replacement := identity.NewSecret(req.GetOldPassword()), identity.NewSecret(req.GetNewPassword())
	defer old.Wipe()
	defer replacement.Wipe()
	code := identity.NewSecret(req.GetCode())
	defer code.Wipe()
	a, err := e.changePassword(ctx, machineAsClient(m), name, origin, old, code, replacement)
	refused, weak := passwords.IsRefusal(err)
	switch {
	case weak:
		// Machines of before put a full stop behind it.
		why := strings.TrimSuffix(string(refused), ".")
		return &v1.ChangePasswordResponse{Result: v1.ChangePasswordResponse_RESULT_WEAK, Message: why}, nil
	case errors.Is(err, errNeedsCode):
		return nil, connect.NewError(connect.CodeFailedPrecondition, errNeedsCode)
	case err != nil:
		return nil, e.Fault(ctx, "change password", err)
	case !a.allow:
		return &v1.ChangePasswordResponse{Result: v1.ChangePasswordResponse_RESULT_DENIED, Message: a.message, Locked: a.locked}, nil
	}
	return &v1.ChangePasswordResponse{Result: v1.ChangePasswordResponse_RESULT_CHANGED, IdToken: a.id}, nil
}
