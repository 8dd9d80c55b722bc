package identityservice

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

var errCode = connect.NewError(connect.CodePermissionDenied,
	errors.New("the code is wrong, used or over, or another account's: an administrator gives one with \"sallyport-server identity invite NAME\""))

// RegisterUser implements IdentityServiceHandler.
func (s *Service) RegisterUser(ctx context.Context, stream *connect.BidiStream[pb.RegistrationRequest, pb.RegistrationResponse]) error {
	first, err := receive(stream.Receive)
	if err != nil {
		return s.refused(ctx, err)
	}
	m := first.GetPakeRegistrationRequestAndUserID()
	a, leave, err := s.enter(ctx, m.GetUserID(), m.GetDeviceID())
	if err != nil {
		return err
	}
	defer leave()
	code := realm.HashJoinCode(stream.RequestHeader().Get(pb.CodeHeader))
	account, err := s.invited(ctx, a, code)
	if err != nil {
		return err
	}
	r, err := s.newRecord(stream, a, m.GetPakeRegistrationRequest())
	if err != nil {
		return s.refused(ctx, err)
	}
	r.Made = s.Now()
	token, err := s.grant(ctx, a, account, byPassword, func(tx *store.Tx) error {
		if err := tx.UseIdentityCode(account, code, r.Made); err != nil {
			return err
		}
		if err := tx.SetIdentityRecord(account, r); err != nil {
			return err
		}
		return s.record(tx, a, "identity.register", "device "+a.device)
	})
	if errors.Is(err, identity.ErrNotFound) {
		return errCode // taken meanwhile
	}
	if err != nil {
		return s.refused(ctx, err)
	}
	return sent(stream.Send(login(tokenResponse(token))))
}

func login(m *pb.PakeLoginResponse) *pb.RegistrationResponse {
	return &pb.RegistrationResponse{Data: &pb.RegistrationResponse_PakeLoginResponse{PakeLoginResponse: m}}
}

// newRecord takes the steps of OPAQUE: the registration, and a login with what it came to.
func (s *Service) newRecord(stream *connect.BidiStream[pb.RegistrationRequest, pb.RegistrationResponse], a asked, request []byte) (r store.IdentityRecord, err error) {
	server, err := s.pake(a.settings)
	if err != nil {
		return r, err
	}
	r.Credential = pake.NewCredential()
	response, err := server.Registration(request, r.Credential)
	if err == nil {
		err = stream.Send(&pb.RegistrationResponse{Data: &pb.RegistrationResponse_PakeRegistrationResponse{PakeRegistrationResponse: response}})
	}
	if err != nil {
		return r, err //nolint:wrapcheck // refused tells
	}
	second, err := receive(stream.Receive)
	if err != nil {
		return r, err
	}
	upload := second.GetPakeRegistrationUploadAndCredentialRequest()
	if r.Record = upload.GetPakeRegistrationUpload(); server.CheckRecord(r.Record) != nil {
		return r, pake.ErrMessage
	}
	ke2, attempt, err := server.Login(upload.GetPakeCredentialRequest(), &pake.Registered{Credential: r.Credential, Record: r.Record}, string(a.name))
	if err == nil {
		err = stream.Send(login(credentialResponse(ke2)))
	}
	if err != nil {
		return r, err //nolint:wrapcheck // refused tells
	}
	last, err := receive(stream.Receive)
	if err != nil {
		return r, err
	}
	return r, attempt.Finish(last.GetPakeCredentialFinalization()) //nolint:wrapcheck // refused tells
}

// invited is the account of that name, if the code is its own.
func (s *Service) invited(ctx context.Context, a asked, code []byte) (account uuid.UUID, err error) {
	err = s.Store.Read(ctx, func(tx *store.Tx) error {
		named, err := tx.AccountFor(a.machine.UUID, a.name)
		if err != nil {
			return err
		}
		account, err = tx.IdentityCode(code, s.Now())
		if err == nil && account != named.UUID {
			err = identity.ErrNotFound
		}
		return err
	})
	if errors.Is(err, identity.ErrNotFound) {
		return uuid.Nil, errCode
	}
	if err != nil {
		return uuid.Nil, s.Fault(ctx, "registration", err)
	}
	return account, nil
}
