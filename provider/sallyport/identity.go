package sallyport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

var _ provider.IdentityService = (*Provider)(nil)

// pakeStream is a stream of OPAQUE with one server.
type pakeStream[Req, Resp any] struct {
	stream *connect.BidiStreamForClientSimple[Req, Resp]
	end    context.CancelFunc
	alive  func() error // why it is over, if it is
	// send makes the messages that are still to come, in their order.
	send []func(report.IdentityMessage) *Req
	read func(*Resp) report.IdentityStep
}

var errOver = errors.New("the exchange with the server is over")

// Next implements provider.IdentityStream.
func (x *pakeStream[Req, Resp]) Next(m report.IdentityMessage) (report.IdentityStep, error) {
	s, err := x.next(m)
	if said := identityWord(err); said != nil {
		return s, said
	}
	return s, meaning("go on with the identity service", err)
}

func (x *pakeStream[Req, Resp]) next(m report.IdentityMessage) (report.IdentityStep, error) {
	if len(x.send) == 0 {
		return report.IdentityStep{}, errOver
	}
	if err := x.alive(); err != nil {
		x.Close()
		return report.IdentityStep{}, err
	}
	req := x.send[0](m)
	x.send = x.send[1:]
	_ = x.stream.Send(req) // what is wrong with it Receive tells
	resp, err := x.stream.Receive()
	if err != nil {
		x.Close()
		return report.IdentityStep{}, err //nolint:wrapcheck // by whoever asked
	}
	return x.read(resp), nil
}

// Close implements provider.IdentityStream.
func (x *pakeStream[Req, Resp]) Close() {
	x.end()
	_ = x.stream.CloseRequest()
	_ = x.stream.CloseResponse()
}

// stepper is an exchange whose errors are still the server's own.
type stepper interface {
	provider.IdentityStream
	next(m report.IdentityMessage) (report.IdentityStep, error)
}

// BeginIdentity implements provider.IdentityService.
func (p *Provider) BeginIdentity(ctx context.Context, account string, b report.IdentityBegin) (provider.IdentityStream, report.IdentityStep, error) {
	var stream stepper
	var first report.IdentityStep
	err := p.identity(ctx, "begin with the identity service", func(tried context.Context, e *endpoint) error {
		// The stream outlives the try, which gives up only on its beginning.
		life, end := context.WithCancel(httptrace.WithClientTrace(ctx, httptrace.ContextClientTrace(tried)))
		beginning := context.AfterFunc(tried, end)
		x, err := e.exchange(life, end, account, b)
		if err != nil {
			end()
			return err
		}
		if first, err = x.next(b.IdentityMessage); err != nil {
			return err
		}
		if beginning(); life.Err() != nil {
			x.Close()
			return context.Cause(tried)
		}
		stream = x
		return nil
	})
	if err != nil {
		return nil, report.IdentityStep{}, err
	}
	return stream, first, nil
}

func (e *endpoint) exchange(ctx context.Context, end context.CancelFunc, account string, b report.IdentityBegin) (stepper, error) {
	if b.Register {
		return e.registration(ctx, end, account, b)
	}
	return e.login(ctx, end, account, b)
}

func (e *endpoint) registration(ctx context.Context, end context.CancelFunc, account string, b report.IdentityBegin) (stepper, error) {
	ctx, call := connect.NewClientContext(ctx)
	call.RequestHeader().Set(pb.CodeHeader, b.Code)
	stream, err := e.identities.RegisterUser(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // by identity
	}
	return &pakeStream[pb.RegistrationRequest, pb.RegistrationResponse]{
		stream: stream, end: end, alive: ctx.Err,
		send: []func(report.IdentityMessage) *pb.RegistrationRequest{
			func(m report.IdentityMessage) *pb.RegistrationRequest {
				return &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeRegistrationRequestAndUserID{
					PakeRegistrationRequestAndUserID: &pb.PakeRegistrationRequestAndUserID{UserID: account, DeviceID: b.Device, PakeRegistrationRequest: m.Message},
				}}
			},
			func(m report.IdentityMessage) *pb.RegistrationRequest {
				return &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeRegistrationUploadAndCredentialRequest{
					PakeRegistrationUploadAndCredentialRequest: &pb.PakeRegistrationUploadAndCredentialRequest{PakeRegistrationUpload: m.Record, PakeCredentialRequest: m.Message},
				}}
			},
			func(m report.IdentityMessage) *pb.RegistrationRequest {
				return &pb.RegistrationRequest{Data: &pb.RegistrationRequest_PakeCredentialFinalization{PakeCredentialFinalization: m.Message}}
			},
		},
		read: func(r *pb.RegistrationResponse) report.IdentityStep {
			if m := r.GetPakeRegistrationResponse(); len(m) > 0 {
				return report.IdentityStep{Message: m}
			}
			return stepOf(r.GetPakeLoginResponse())
		},
	}, nil
}

func (e *endpoint) login(ctx context.Context, end context.CancelFunc, account string, b report.IdentityBegin) (stepper, error) {
	stream, err := e.identities.LoginUser(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // by identity
	}
	pake := func(m *pb.PakeLoginRequest) *pb.LoginRequest {
		return &pb.LoginRequest{Data: &pb.LoginRequest_PakeLoginRequest{PakeLoginRequest: m}}
	}
	return &pakeStream[pb.LoginRequest, pb.LoginResponse]{
		stream: stream, end: end, alive: ctx.Err,
		send: []func(report.IdentityMessage) *pb.LoginRequest{
			func(m report.IdentityMessage) *pb.LoginRequest {
				return pake(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialRequestAndUserID{
					PakeCredentialRequestAndUserID: &pb.PakeCredentialRequestAndUserID{UserID: account, DeviceID: b.Device, PakeCredentialRequest: m.Message},
				}})
			},
			func(m report.IdentityMessage) *pb.LoginRequest {
				return pake(&pb.PakeLoginRequest{Data: &pb.PakeLoginRequest_PakeCredentialFinalization{PakeCredentialFinalization: m.Message}})
			},
		},
		read: func(r *pb.LoginResponse) report.IdentityStep { return stepOf(r.GetPakeLoginResponse()) },
	}, nil
}

func stepOf(r *pb.PakeLoginResponse) report.IdentityStep {
	return report.IdentityStep{Message: r.GetPakeCredentialResponse(), Token: r.GetToken()}
}

// LoginByWallet implements provider.IdentityService.
func (p *Provider) LoginByWallet(ctx context.Context, account string, w report.IdentityWallet) ([]byte, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *pb.LoginResponse
	err := p.identity(ctx, "log in with a wallet", func(ctx context.Context, e *endpoint) error {
		stream, err := e.identities.LoginUser(ctx)
		if err != nil {
			return err //nolint:wrapcheck // by identity
		}
		defer stream.CloseResponse() //nolint:errcheck // it has said what it had to say
		_ = stream.Send(&pb.LoginRequest{Data: &pb.LoginRequest_WalletLoginRequest{
			WalletLoginRequest: &pb.WalletLoginRequest{UserID: account, DeviceID: w.Device, WalletAddress: w.Address, SignedMessage: w.Signed},
		}}) // what is wrong with it Receive tells
		_ = stream.CloseRequest()
		resp, err = stream.Receive()
		return err //nolint:wrapcheck // by identity
	})
	return resp.GetWalletLoginResponse().GetToken(), err
}

// identity makes a call of the identity service.
func (p *Provider) identity(ctx context.Context, doing string, call func(context.Context, *endpoint) error) error {
	return p.answered(ctx, doing, identityWord, call)
}

// identityWord is what a server of the realm says no with, in its own words; nil for all else.
func identityWord(err error) error {
	var e *connect.Error
	if !errors.As(err, &e) || onlyReads(err) {
		return nil
	}
	switch {
	case !connect.IsWireError(err):
		if e.Code() == connect.CodeUnimplemented && e.Message() == fmt.Sprintf("HTTP status %d %s", http.StatusNotFound, http.StatusText(http.StatusNotFound)) {
			return provider.RequestError("the realm's server is of an older release, which has no identity service: its administrator upgrades it")
		}
		return nil
	case e.Code() == connect.CodeInvalidArgument, e.Code() == connect.CodeUnauthenticated, e.Code() == connect.CodePermissionDenied,
		e.Code() == connect.CodeNotFound, e.Code() == connect.CodeResourceExhausted, e.Code() == connect.CodeUnimplemented:
		return provider.RequestError(identity.Printable(e.Message()))
	default:
		return nil
	}
}

// VerifyIdentity implements provider.IdentityService.
func (p *Provider) VerifyIdentity(ctx context.Context, t report.IdentityToken) (bool, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *pb.VerifyUserTokenResponse
	err := p.identity(ctx, "verify a token", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.identities.VerifyUserToken(ctx, &pb.VerifyUserTokenRequest{UserID: t.Name, DeviceID: t.Device, Token: t.Token})
		return err //nolint:wrapcheck // by identity
	})
	return err == nil && resp.GetTokenValid(), err
}

// IdentityDevices implements provider.IdentityService.
func (p *Provider) IdentityDevices(ctx context.Context, t report.IdentityToken) ([]report.IdentityDevice, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *pb.ListDevicesResponse
	err := p.identity(ctx, "list devices", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.identities.ListDevices(ctx, &pb.ListDevicesRequest{UserID: t.Name, DeviceID: t.Device, Token: t.Token})
		return err //nolint:wrapcheck // by identity
	})
	var list []report.IdentityDevice
	for _, d := range resp.GetDevices() {
		list = append(list, report.IdentityDevice{
			Device: identity.Printable(d.GetDeviceID()), AuthType: identity.Printable(d.GetAuthType()),
			Created: time.Unix(d.GetCreated(), 0).UTC(), Used: time.Unix(d.GetUsed(), 0).UTC(), Expires: time.Unix(d.GetExpires(), 0).UTC(),
		})
	}
	return list, err
}

// RevokeIdentity implements provider.IdentityService.
func (p *Provider) RevokeIdentity(ctx context.Context, t report.IdentityToken) error {
	ctx, cancel := p.within(ctx)
	defer cancel()
	return p.identity(ctx, "revoke a token", func(ctx context.Context, e *endpoint) error {
		_, err := e.identities.RevokeToken(ctx, &pb.RevokeTokenRequest{UserID: t.Name, DeviceID: t.Device, Token: t.Token, Ends: t.Ends})
		return err //nolint:wrapcheck // by identity
	})
}
