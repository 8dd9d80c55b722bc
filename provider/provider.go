// Package provider states what the resolver needs of a source of accounts. One
// folder below implements it for one kind of server; adding one touches no other.
//
// A Provider fetches and relays, it decides nothing and remembers nothing
// beyond its [Memory]. What it cannot do it does not implement: [SourceOf] finds out which
// of the optional interfaces it has, and what is missing is said in status. One whose files
// are missing is a [Deferred], and keeps no other realm out.
//
// Every error wraps one of the sentinels below; anything else counts as
// [ErrOffline]. Every call ends by its context's deadline.
package provider

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// What a failed call means to the resolver.
var (
	// ErrNotFound: the server says with authority that there is none: forget it.
	ErrNotFound = identity.ErrNotFound
	// ErrOffline: no answer that counts: no route, refused, deadline, TLS, 5xx,
	// or a body that makes no sense. Go on with what is remembered.
	ErrOffline = errors.New("the server cannot be reached")
	// ErrUntrusted: someone answered whose certificate does not verify, or who
	// signed with the wrong key. It is ErrOffline for every decision, and an
	// alarm. errors.Is(err, ErrOffline) is true as well.
	ErrUntrusted = untrusted{}
	// ErrNewer: the server said something that this release is too old to read. It is
	// ErrOffline for every decision, and no alarm.
	ErrNewer = newer{}
	// ErrRefusedMachine: the server knows us no longer or lacks our rights: a
	// configuration error. Keep the cache and say so.
	ErrRefusedMachine = errors.New("the server refuses this machine")
)

type untrusted struct{}

func (untrusted) Error() string        { return "the server could not prove who it is" }
func (untrusted) Is(target error) bool { return target == ErrOffline || target == error(untrusted{}) }

type newer struct{}

func (newer) Error() string {
	return "the server is of a newer release, which this machine cannot read: upgrade Sallyport on this machine"
}
func (newer) Is(target error) bool { return target == ErrOffline || target == error(newer{}) }

// Record is one account as the provider vouches for it: truly said by the realm,
// which may still have said what no machine takes. The resolver validates it, so
// that one such account is refused by name and keeps none of the others out.
type Record struct {
	// Signed is the token as it was signed; it is what gets remembered.
	Signed []byte
	Token  *identity.IDToken
}

// Provider is a source of accounts.
type Provider interface {
	// Name is the kind and address for people, e.g. "sallyport https://id.example". It
	// may change, so nothing is remembered by it.
	Name() string
	// Fetch returns the account of that canonical name, fresh from the server.
	Fetch(ctx context.Context, name identity.Name) (Record, error)
	// FetchUID is Fetch by user id.
	FetchUID(ctx context.Context, uid uint32) (Record, error)
	// Verify checks a token that was remembered, without the network. Its error
	// is identity.ErrToken.
	Verify(signed []byte) (*identity.IDToken, error)
	// Begin starts a stepped authentication of that account for this machine.
	Begin(ctx context.Context, a Attempt) (Exchange, Reply, error)
	// Close ends every connection.
	Close() error
}

// Lister can name every account that this machine may know: then an absent name
// is an answer.
type Lister interface {
	// List calls each for every account, in no order. A nil error means that the
	// list is whole; position is where Watch goes on from.
	List(ctx context.Context, each func(Record) error) (Position, error)
}

// Watcher is told of changes.
type Watcher interface {
	// Watch calls each for every change after position, and returns when the
	// connection ends, always with an error. The first thing after the backlog
	// is a CaughtUp event. newest is the newest token that is held, as it was signed, or
	// none: it lets a server notice that it lost changes.
	Watch(ctx context.Context, from Position, newest []byte, each func(Event) error) error
}

// Position is a place in a server's changes. Revisions of two histories do not compare.
// A server that keeps no histories has the zero one.
type Position struct {
	History  uuid.UUID
	Revision uint64
}

// Follower takes no list from a server that has heard less of the realm's changes than this
// machine: one that only reads, from a copy that is behind.
type Follower interface {
	// Heard says how far the machine has heard: before the first list, and whenever that
	// changes. The zero position asks for nothing of a server.
	Heard(Position)
}

// GroupRecord is one group as the provider vouches for it, like [Record].
type GroupRecord struct {
	Signed []byte
	Token  *identity.GroupToken
}

// GroupFinder finds a group that no account known here is in. It is asked only where
// the provider is no Lister: a whole list names every group that is answered.
type GroupFinder interface {
	// FetchGroup returns the group of that canonical name, fresh from the server, and
	// FetchGID that with the number. One that goes by another name or number here is
	// ErrNotFound.
	FetchGroup(ctx context.Context, name identity.Name) (GroupRecord, error)
	FetchGID(ctx context.Context, gid uint32) (GroupRecord, error)
	// VerifyGroup is Provider.Verify for a group.
	VerifyGroup(signed []byte) (*identity.GroupToken, error)
}

// EventKind says what an Event carries.
type EventKind uint8

// The kinds. The zero value is none.
const (
	EventNone EventKind = iota
	// Changed: Record is the account's new token.
	Changed
	// Gone: the account UUID exists no longer.
	Gone
	// CaughtUp: all changes up to Position have been sent.
	CaughtUp
	// Reset: the position is too old or unknown; list again.
	Reset
	// Alive: nothing happened, and the server is still there.
	Alive
)

// Event is one message of a change stream.
type Event struct {
	Kind     EventKind
	Position Position
	// Lost, with Reset, says that the server does not have what it said up to the
	// position any more, and Reason why, for people.
	Lost   bool
	Reason string
	// Duplicated says that two machines live under this one's name.
	Duplicated bool
	Record     Record
	UUID       uuid.UUID
	// ServerTime is the server's clock when it sent this.
	ServerTime time.Time
}

// Attempt is the start of an authentication.
type Attempt struct {
	Name identity.Name
	// Service and RemoteHost go into the server's audit log. Service is also part of
	// what a card signs, see identity.CardChallenge; of more than 256 bytes no card's
	// answer is right.
	Service, RemoteHost string
	// Origin is where the attempt comes from. A server that counts failures counts them
	// by it; a provider whose server does not ignores it, as provider/kanidm does.
	Origin identity.Origin
	// StepUp says that somebody who is signed in already proves it again, so that a
	// server may go on from that sign-in. It asks for no less than a login does, and a
	// provider that knows no difference takes it for one, as provider/sallyport does.
	StepUp bool
	// UsedStep is the newest time step of a one-time code that was accepted here
	// without the server.
	UsedStep int64
	// UsedEpoch is the epoch of the secret that UsedStep is of.
	UsedEpoch uint64
	// Enrol is a kind of factor to make once what is enough for a login is proved,
	// and Remove is one to take away then, when it or something at least as strong is
	// among what was proved; "" for none. Not both.
	Enrol, Remove identity.FactorKind
	// RemoveCard is, with Remove identity.PIV, the fingerprint of the card.
	RemoveCard []byte
	// Purpose is what it is for, where it is no login: the session token says so.
	Purpose string
}

// Answer is one step: a credential for one of the kinds on offer.
type Answer struct {
	Kind identity.FactorKind
	// Credential is the text that was typed, or for a card identity.CardProof's
	// encoding.
	Credential identity.Secret
	// More asks the server to offer what else the account holds, even when what is
	// proved is enough for a login: this machine demands more. When there is nothing
	// else, the answer is Allow all the same.
	More bool
}

// Exchange is one stepped authentication in progress. It only moves forward: a
// step that failed ends it. It is used by one goroutine.
type Exchange interface {
	// Step answers the current offer with one credential.
	Step(ctx context.Context, a Answer) (Reply, error)
}

// Outcome is where an exchange stands. The zero value is a denial.
type Outcome uint8

// The outcomes.
const (
	Deny Outcome = iota
	Continue
	Allow
)

// Reply is the server's answer to a step.
type Reply struct {
	Outcome Outcome
	// Offers, with Continue, are the factors that may come next, best first.
	Offers []identity.FactorKind
	// Unproved, with Continue, says that nothing was compared yet: what was answered may
	// be wrong.
	Unproved bool
	// Message, with Deny, is for the person; it may be empty. Locked says that
	// failures have locked the account for a while.
	Message string
	Locked  bool
	// AskAgain, with Deny, says that this server gives the same no for a lock that passes,
	// and after how long any such lock is over: what is remembered ends only when the same
	// answer is refused then, too. Zero: it is about what was answered.
	AskAgain time.Duration
	// Proved, with Deny, says that what was answered was right, and Message why it does
	// not suffice. Whoever guesses learns nothing by such a message.
	Proved bool
	// With Allow: what was proved, verified, and the account as it is now.
	Session       *identity.SessionToken
	SignedSession []byte
	Record        Record
	ServerTime    time.Time
	// Sealed, with Allow, are secrets for this machine alone. When a code was proved
	// and there are none, policy gives none, and none may be kept from earlier.
	Sealed []SealedFactor
	// Nonce, with Continue and an offer of identity.PIV or identity.NewPIV, is for the
	// challenge that the card signs. A new one comes with each such reply.
	Nonce identity.Nonce
	// BackupCodes, with Allow, are the new codes, shown this once.
	BackupCodes []identity.Secret
	// OTPAuth, with Continue and the offer identity.NewTOTP, is the new secret as
	// an otpauth:// address.
	OTPAuth identity.Secret
}

// SealedFactor is the secret of a factor, encrypted by identity.SealTo with
// identity.SealInfo of exactly this realm, machine, account, kind and epoch.
type SealedFactor struct {
	Kind  identity.FactorKind
	Epoch uint64
	Blob  []byte
	// LastStep is the newest time step that the server accepted.
	LastStep int64
	// SealedTo is the SHA-256 of the sealing key that Blob is for; empty where the
	// server does not say.
	SealedTo []byte
}

// LossReporter is a server that is told of accounts that it has lost: their signed tokens,
// so that it gives their ids to nobody else.
type LossReporter interface {
	ReportLost(ctx context.Context, signed [][]byte) error
}

// KeyRegistrar takes the public half of this machine's sealing key, without which
// no secret can be sent to it. A provider that lacks it gives no Sealed.
type KeyRegistrar interface {
	SetSealingKey(ctx context.Context, public []byte) error
}

// StaticEpoch is a provider whose server does not say when a password has changed: its
// epoch stays the same, and only a login tells.
type StaticEpoch interface {
	PasswordEpochsStatic()
}

// Limited is a provider that cannot ask for some kinds of factor, for reasons of its
// settings. Unprovable says what to do about it, for an administrator; "" when it can.
type Limited interface {
	Unprovable(kind identity.FactorKind) string
}

// Disowner is a provider whose realm takes back signing keys. Disowning: it took one back,
// and the accounts have not been listed since.
type Disowner interface {
	Disowning() bool
}

// CardProver is a server that proves itself to the card service of this machine, and
// has that one prove itself. Its errors, beside the sentinels above, are
// identity.ErrCardServiceOff, ErrCardServiceKey and ErrCardServiceProof.
type CardProver interface {
	CardCertificate(ctx context.Context) (identity.CardServiceOffer, error)
	// CardChallenge returns the server's half of the proof.
	CardChallenge(ctx context.Context, claim identity.CardServiceClaim) (signature []byte, err error)
}

// PasswordChanger can change a password on the server.
type PasswordChanger interface {
	// ChangePassword proves the old password, and a one-time code if the account
	// holds one, and sets the new one. A WeakError when the realm's rules refuse
	// the new one, ErrDenied when the old one or the code is wrong, ErrElsewhere when
	// more than these is needed.
	ChangePassword(ctx context.Context, name identity.Name, from identity.Origin, old, code, new identity.Secret) (Record, error)
}

// WeakError is an [ErrWeak] with the reason, a sentence for people.
type WeakError string

func (w WeakError) Error() string { return string(w) }

// Is makes it an ErrWeak.
func (w WeakError) Is(target error) bool { return target == ErrWeak }

// Errors of PasswordChanger.
var (
	ErrWeak   = errors.New("the new password is refused")
	ErrDenied = errors.New("the old password is wrong")
	// ErrElsewhere says that this account's password is not changed from a machine:
	// more than the old password would have to be proved.
	ErrElsewhere = errors.New("the account needs more than a password to change it")
)

// Memory keeps a provider's own small facts (a realm's public keys) over
// restarts. Package cache satisfies it.
type Memory interface {
	// Recall returns identity.ErrNotFound when nothing is kept under key.
	Recall(ctx context.Context, key string) ([]byte, error)
	Remember(ctx context.Context, key string, value []byte) error
}

// Forgetful is a Memory that keeps nothing.
type Forgetful struct{}

// Recall implements Memory.
func (Forgetful) Recall(context.Context, string) ([]byte, error) { return nil, identity.ErrNotFound }

// Remember implements Memory.
func (Forgetful) Remember(context.Context, string, []byte) error { return nil }
