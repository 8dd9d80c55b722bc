// Package report holds what the daemon says of itself on control.sock and what
// the CLI shows: verbs, their arguments and their answers, as JSON. It is data
// only; the daemon fills it and decides who may ask, the CLI prints it.
//
// Times are RFC 3339. A field that does not apply is absent. New fields may be
// added; what is here keeps its name and meaning.
package report

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// The verbs of control.sock, who may use them, and what they answer.
const (
	VerbStatus      = "status"       // anyone; one Status
	VerbExplain     = "explain"      // root, or one's own name; ExplainArgs; one Explanation
	VerbCacheList   = "cache list"   // root; any number of CachedAccount
	VerbCacheForget = "cache forget" // root; NameArgs; nothing
	VerbCacheClear  = "cache clear"  // root; nothing
	// root; NameArgs, or nothing for all; one Refreshed of each realm
	VerbCacheRefresh = "cache refresh"
	VerbUnlock       = "unlock" // root; NameArgs: lifts a lock after failures; nothing

	VerbEnrolTOTP    = "enrol totp"         // an account of the realm, for itself; EnrolArgs; one Enrolment
	VerbEnrolConfirm = "enrol totp confirm" // who began it; ConfirmArgs; one Enrolled
	VerbEnrolCodes   = "enrol backup-codes" // as enrol totp; one Enrolment with the codes
	VerbEnrolRemove  = "enrol remove"       // as enrol totp, with RemoveArgs; one Enrolment
	VerbEnrolPIV     = "enrol piv"          // as enrol totp; one Enrolment
	VerbEnrolCard    = "enrol piv card"     // who began it; CardArgs: makes the card ready; Touch, then one CardMade
	VerbEnrolPIVDone = "enrol piv confirm"  // who began it; ConfirmArgs with the PIN; Touch, then one Enrolled
	VerbCards        = "cards"              // root, or an account of the realm; one Cards
	VerbDrop         = "drop"               // root, or one's own; DropArgs: forgets proofs; one Dropped
	VerbWhoami       = "whoami"             // anyone, of themselves; WhoamiArgs; one Whoami

	// Of requests, each for an account of the realm about itself, with one Requested as the
	// answer.
	VerbAsk      = "request ask"      // AskArgs: lodges one
	VerbRequest  = "request show"     // RequestArgs: how it stands, asked at this machine
	VerbRequests = "request list"     // ProofArgs
	VerbWithdraw = "request withdraw" // RequestArgs
	VerbDecide   = "request decide"   // RequestArgs, with a proof in any case
	VerbCertify  = "request certify"  // RequestArgs

	// Of the identity service. But for verify each is for an account of the realm, about itself.
	VerbIdentityBegin   = "identity begin"   // IdentityBegin; one IdentityStep
	VerbIdentityNext    = "identity next"    // who began it; IdentityNext; one IdentityStep, or nothing where it ends it
	VerbIdentityWallet  = "identity wallet"  // IdentityWallet; one IdentityStep, with a token
	VerbIdentityVerify  = "identity verify"  // anyone; IdentityToken; one IdentityVerified
	VerbIdentityDevices = "identity devices" // IdentityToken; any number of IdentityDevice
	VerbIdentityRevoke  = "identity revoke"  // IdentityToken; nothing

	// Of two people who make sure of each other, each for an account of the realm about itself.
	VerbVerifySetUp = "verify set-up" // VerifySetUp, with a proof in any case; one Requested
	VerbVerifyKey   = "verify key"    // nothing; one VerifyKey
	VerbVerifyCall  = "verify call"   // VerifyWith; one VerifyCall
	VerbVerifyHeard = "verify heard"  // VerifyHeard; one VerifyVerdict
)

// Errors of control.sock that a caller decides on. A name that nobody knows is
// identity.ErrNotFound.
var (
	// ErrForbidden says that the peer's uid may not use the verb so.
	ErrForbidden = errors.New("not permitted")
	// ErrVerb says that there is no such verb, or not with such arguments.
	ErrVerb = errors.New("unknown request")
	// ErrAway says that the realm's server does not answer now, and may later.
	ErrAway = errors.New("the realm's server does not answer")
)

// NameArgs names an account.
type NameArgs struct {
	Name string `json:"name"`
}

// ExplainArgs names an account and a PAM service.
type ExplainArgs struct {
	Name    string `json:"name"`
	Service string `json:"service,omitempty"`
}

// Status answers VerbStatus.
type Status struct {
	Version   string     `json:"version"`
	Started   time.Time  `json:"started"`
	Machine   uuid.UUID  `json:"machine"`
	Realm     string     `json:"realm"`
	Providers []Provider `json:"providers"`
	Cache     Cache      `json:"cache"`
	// Directory is absent where none is published.
	Directory *Directory `json:"directory,omitempty"`
	Seal      Seal       `json:"seal"`
	// Cards is absent where the daemon uses none.
	Cards *CardService `json:"cards,omitempty"`
	// StrengthGated are the groups that only a session of a certain strength gets.
	StrengthGated []identity.Name `json:"strength_gated,omitempty"`
	// Findings are standing troubles, worst first, each with its mend.
	Findings []Finding `json:"findings,omitempty"`
}

// Provider is one source of accounts.
type Provider struct {
	Name string `json:"name"`
	// Realm is whose accounts they are.
	Realm string `json:"realm,omitempty"`
	// State is "starting", "online" or "offline".
	State string `json:"state"`
	// Since is when State began.
	Since       time.Time  `json:"since"`
	LastContact *time.Time `json:"last_contact,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
	// Alarm is set when someone answered who could not prove to be the server.
	Alarm        string   `json:"alarm,omitempty"`
	Capabilities []string `json:"capabilities"`
	Missing      []string `json:"missing,omitempty"`
	// Complete: every account of the realm is known here.
	Complete bool   `json:"complete"`
	Position uint64 `json:"position"`
	// History is that of the server's histories which the position is of; absent where
	// the server keeps none.
	History string `json:"history,omitempty"`
	// WentBack is when the server last said that it had lost changes which were known
	// here, and WentBackWhy its reason.
	WentBack    *time.Time `json:"went_back,omitempty"`
	WentBackWhy string     `json:"went_back_why,omitempty"`
	// Refused counts tokens that the server sent and this machine's rules refused.
	Refused []Refusal `json:"refused,omitempty"`
	// LeftOut are accounts that were taken without some part, which Reason names.
	LeftOut []Refusal `json:"left_out,omitempty"`
	// Servers are those of the realm, the preferred first; absent where there is one.
	Servers []Server `json:"servers,omitempty"`
	// ServersIgnored says why the realm's own list of servers is not gone by.
	ServersIgnored string `json:"servers_ignored,omitempty"`
}

// Server is one of several servers of a realm.
type Server struct {
	URL string `json:"url"`
	// State is "up", "down", "trying" (it was down, and is being asked), or "not asked".
	State string `json:"state"`
	// InUse: changes are followed there; where none are, it is asked first.
	InUse bool `json:"in_use,omitempty"`
	// Since is when State began; absent while it is "not asked".
	Since *time.Time `json:"since,omitempty"`
	// Why is the reason for being down.
	Why string `json:"why,omitempty"`
	// Untrusted: whoever answers there could not prove to be the server.
	Untrusted bool `json:"untrusted,omitempty"`
	// Older: it serves an older copy of the realm's database than this machine has seen.
	Older bool `json:"older,omitempty"`
	// FromRealm: it is in the realm's own list of servers, and not in the configuration.
	FromRealm bool `json:"from_realm,omitempty"`
}

// Refusal is an account that this machine will not take from its server.
type Refusal struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Cache is the state of the database.
type Cache struct {
	Path      string `json:"path"`
	Accounts  int    `json:"accounts"`
	Verifiers int    `json:"verifiers"`
	// Groups are those that are remembered because they were asked for.
	Groups int `json:"groups,omitempty"`
	// Rebuilt says when a corrupt database was moved aside, and to where.
	Rebuilt string `json:"rebuilt,omitempty"`
}

// Directory is the file that programs read names from.
type Directory struct {
	Path string `json:"path"`
	// Written is when the file in force was published; absent before the first.
	Written  *time.Time `json:"written,omitempty"`
	Accounts int        `json:"accounts"`
	Groups   int        `json:"groups"`
	Size     int64      `json:"size"` // bytes
	// TookMillis is how long it took to publish it.
	TookMillis float64 `json:"took_ms"`
	// LastError is why the last attempt to publish did not succeed.
	LastError string `json:"last_error,omitempty"`
	// Absent: a name that is not in it does not exist; else the daemon is asked.
	Absent bool `json:"absent"`
	// Until is when its names are no longer answered; absent: for ever.
	Until *time.Time `json:"until,omitempty"`
	// StaleSince is set while the daemon knows more than the file.
	StaleSince *time.Time `json:"stale_since,omitempty"`
}

// Seal is how secrets are bound to this machine.
type Seal struct {
	Kind   string `json:"kind"`             // "file" or "tpm"
	Detail string `json:"detail,omitempty"` // where, and why
}

// Severity of a finding.
type Severity string

// The severities, from harmless to grave.
const (
	OK      Severity = "ok"
	Note    Severity = "note"
	Warning Severity = "warning"
	Problem Severity = "problem"
)

// Finding is one thing that was checked: what is so, why it matters, what to do.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// Cause names the row of package trouble that the words are from; absent where none is.
	Cause  string `json:"cause,omitempty"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"`
}

// Explanation answers VerbExplain: the steps of the decision, in order, as the
// daemon would take them now. The first step with Severity Problem is why not.
type Explanation struct {
	Name     string    `json:"name"`
	Service  string    `json:"service,omitempty"`
	MayLogin bool      `json:"may_login"`
	Account  *Account  `json:"account,omitempty"`
	Steps    []Finding `json:"steps"`
	Factors  []string  `json:"factors,omitempty"`
	// Password is absent for an account whose password need not be changed.
	Password *PasswordLife `json:"password,omitempty"`
	Offline  *Offline      `json:"offline,omitempty"`
	// Locked is when the last of Locks ends.
	Locked *time.Time `json:"locked_until,omitempty"`
	// Locks are what wrong answers have locked on this machine, the longest first. They
	// bar attempts from one place and not the others.
	Locks []Lock `json:"locks,omitempty"`
	// Limits are what the account's server cannot do, where it matters to the account.
	Limits []string `json:"limits,omitempty"`
	// CertificatesOnly: sshd here accepts none of the ssh keys that the realm has stored.
	CertificatesOnly bool `json:"certificates_only,omitempty"`
	// StepUp is absent for a service without a policy of its own.
	StepUp *StepUp `json:"step_up,omitempty"`
}

// PasswordLife is from when on a login by password asks for a new one.
type PasswordLife struct {
	// ChangeBy is absent where the administrator asked for it.
	ChangeBy *time.Time `json:"change_by,omitempty"`
	Due      bool       `json:"due"`
	// WithoutIt is what then happens to a login through the service without the password, such
	// as by ssh key: "ask" for a new one, or "refuse". Absent: it is let in.
	WithoutIt string `json:"without_it,omitempty"`
}

// Lock is what wrong answers have locked.
type Lock struct {
	// Factor is "password", "totp", "piv", or "locker" for programs that are not root's.
	Factor string `json:"factor"`
	// Origin is where attempts are refused from: "host ADDRESS", "uid N", "user NAME",
	// "seat" or "unknown". Empty: from everywhere the person has not signed in from
	// within 90 days, but for the seat.
	Origin   string    `json:"origin,omitempty"`
	Until    time.Time `json:"until"`
	Failures int       `json:"failures"`
}

// Account is an ID token for people.
type Account struct {
	UUID     uuid.UUID       `json:"uuid"`
	Name     identity.Name   `json:"name"`
	UID      uint32          `json:"uid"`
	GID      uint32          `json:"gid"`
	FullName string          `json:"full_name,omitempty"`
	Home     string          `json:"home"`
	Shell    string          `json:"shell"`
	State    string          `json:"state"`
	Groups   []identity.Name `json:"groups"`
	Keys     int             `json:"ssh_keys"`
	Revision uint64          `json:"revision"`
}

// Offline says what one account could do without a network.
type Offline struct {
	Possible bool       `json:"possible"`
	Until    *time.Time `json:"until,omitempty"`
	// Left is for how long it still works, in the words that su shows: the daemon knows a
	// time that does not go backwards, and a program that compares Until with the clock
	// does not.
	Left        string     `json:"left,omitempty"`
	LastChecked *time.Time `json:"last_checked,omitempty"`
	Failures    int        `json:"failures"`
	// CodeFailures counts wrong one-time codes after a right password.
	CodeFailures int `json:"code_failures,omitempty"`
	// CardFailures counts signatures of cards that were refused, and PINFailures wrong
	// PINs.
	CardFailures int    `json:"card_failures,omitempty"`
	PINFailures  int    `json:"pin_failures,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

// Refreshed answers VerbCacheRefresh.
type Refreshed struct {
	// Accounts and Groups are how many are being fetched anew; of one that was named it
	// has been.
	Accounts int `json:"accounts"`
	Groups   int `json:"groups"`
	// Gone: the one that was named is no longer on the server, nor here.
	Gone bool `json:"gone,omitempty"`
	// Told: nothing is fetched, because the server tells of every change by itself.
	Told bool `json:"told,omitempty"`
}

// CachedAccount is one line of VerbCacheList.
type CachedAccount struct {
	Account
	Fetched  time.Time `json:"fetched"`
	Verifier bool      `json:"verifier"`
}
