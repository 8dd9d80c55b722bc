package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// keeper is a VerifyService that refuses.
type keeper struct {
	sallyportv1connect.UnimplementedVerifyServiceHandler
	err  error
	note *v1.NoteVerificationRequest
}

func (k *keeper) FindVerifyPerson(context.Context, *v1.FindVerifyPersonRequest) (*v1.FindVerifyPersonResponse, error) {
	return nil, k.err
}

func (k *keeper) NoteVerification(_ context.Context, req *v1.NoteVerificationRequest) (*v1.NoteVerificationResponse, error) {
	k.note = req
	return &v1.NoteVerificationResponse{}, k.err
}

// kept is a machine whose server has that service; nil: it is of a release before.
func kept(t *testing.T, k *keeper) *sallyport.Provider {
	t.Helper()
	l := newLiar(t, uuid.New(), &identity.SessionToken{Realm: "r"})
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(l))
	mux.Handle(sallyportv1connect.NewDirectoryServiceHandler(l))
	if k != nil {
		mux.Handle(sallyportv1connect.NewVerifyServiceHandler(k))
	}
	return l.reached(t, mux, uuid.New())
}

// Promise verify-older.
func TestAServerThatOnlyReadsIsAwayAndAnOlderOneIsSaidToBe(t *testing.T) {
	var said provider.RequestError
	for sentence, c := range map[string]struct {
		of   *keeper
		away bool
		word string
	}{
		"a server of before":     {of: nil, word: "older release"},
		"one that does not know": {of: &keeper{err: connect.NewError(connect.CodeUnimplemented, errors.New("not here"))}, word: "older release"},
		"one that only reads":    {of: &keeper{err: realm.OnlyReads("a full server of the realm makes changes")}, away: true},
		"one that knows nobody":  {of: &keeper{err: connect.NewError(connect.CodeNotFound, errors.New("nobody of that name"))}, word: "nobody of that name"},
	} {
		_, _, err := kept(t, c.of).FindVerifyPerson(t.Context(), "alice", "bob", "")
		said = ""
		if errors.Is(err, provider.ErrOffline) != c.away || errors.As(err, &said) == c.away || !strings.Contains(string(said), c.word) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// Promise verify-older.
func TestALateNoteHasNoIDForAServerThatWouldMistakeIt(t *testing.T) {
	k := &keeper{}
	p := kept(t, k)
	id, at := uuid.New(), time.Unix(1_800_000_000, 0)
	n := provider.VerifyNote{Account: "alice", ID: id, Realm: "b.example", Event: provider.VerifyBegun, Made: at}
	note := func(want error) {
		t.Helper()
		err := p.NoteVerification(t.Context(), n)
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	note(nil)
	if g := k.note; len(g.GetId()) != 0 || string(g.GetLateId()) != string(id[:]) || g.GetEvent() != v1.VerifyEvent_VERIFY_EVENT_BEGUN || !g.GetMade().AsTime().Equal(at) || g.GetRealm() != "b.example" {
		t.Errorf("late: %v", g)
	}
	for code, want := range map[connect.Code]error{
		connect.CodeInvalidArgument: provider.ErrNoteRefused, connect.CodeUnimplemented: provider.ErrNoteOlder,
		connect.CodeNotFound: provider.ErrNoteRefused, connect.CodePermissionDenied: provider.ErrNoteRefused, connect.CodeFailedPrecondition: provider.ErrNoteRefused,
		connect.CodeUnauthenticated: provider.ErrRefusedMachine, connect.CodeInternal: provider.ErrOffline,
	} {
		k.err = connect.NewError(code, errors.New("no"))
		note(want)
	}
	_, noID := uuid.FromBytes(nil)
	k.err = connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("id: %w", noID)) // as a server of before says
	note(provider.ErrNoteOlder)
	k.err = connect.NewError(connect.CodeResourceExhausted, errors.New("too many"))
	note(provider.RequestError("too many"))
	k.err, n.Made, n.Event = nil, time.Time{}, provider.VerifyConfirmed
	note(nil)
	if g := k.note; string(g.GetId()) != string(id[:]) || len(g.GetLateId()) != 0 || g.GetMade() != nil || !g.GetConfirmed() || g.GetEvent() != v1.VerifyEvent_VERIFY_EVENT_CONFIRMED {
		t.Errorf("of now: %v", g)
	}
	k.err = connect.NewError(connect.CodeInvalidArgument, errors.New("no"))
	note(provider.ErrNoteRefused)
}
