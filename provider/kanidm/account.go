package kanidm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// unixToken is what the server tells of an account.
type unixToken struct {
	Name        string           `json:"name"`
	SPN         string           `json:"spn"`
	DisplayName string           `json:"displayname"`
	GIDNumber   uint32           `json:"gidnumber"`
	UUID        uuid.UUID        `json:"uuid"`
	Shell       *string          `json:"shell"`
	Groups      parts[unixGroup] `json:"groups"` // the first is the account's own
	SSHKeys     parts[string]    `json:"sshkeys"`
	Valid       bool             `json:"valid"`
}

// parts are a list that is read one by one: one that has another form than this release
// knows is the zero value, which breaks the rules of a token and is left out by name.
type parts[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (p *parts[T]) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err //nolint:wrapcheck // the caller says what it was
	}
	*p = nil
	for _, r := range raw {
		var one T
		if json.Unmarshal(r, &one) != nil {
			one = *new(T)
		}
		*p = append(*p, one)
	}
	return nil
}

func accountPath(id string) string { return "/v1/account/" + url.PathEscape(id) }

// lookup asks for one account by name, spn, uuid or number.
func (p *Provider) lookup(ctx context.Context, id string) (*unixToken, time.Time, error) {
	if !namable(id) {
		return nil, time.Time{}, fmt.Errorf("%w: %q can be no account's name", provider.ErrNotFound, id)
	}
	a, err := p.own(ctx, call{method: http.MethodGet, path: accountPath(id) + "/_unix/_token"})
	if err != nil {
		return nil, time.Time{}, err
	}
	t, err := a.account()
	return t, a.at, err
}

// account reads an answer that should be one.
func (a answer) account() (*unixToken, error) {
	t := new(unixToken)
	if err := parse(a, t); err != nil {
		return nil, err
	}
	if t.UUID == uuid.Nil || t.Name == "" || len(t.Groups) == 0 {
		return nil, errShape
	}
	return t, nil
}

// Fetch implements provider.Provider.
func (p *Provider) Fetch(ctx context.Context, name identity.Name) (provider.Record, error) {
	return p.fetch(ctx, string(name), func(a identity.Account) bool { return a.Name == name })
}

// FetchUID implements provider.Provider.
func (p *Provider) FetchUID(ctx context.Context, uid uint32) (provider.Record, error) {
	return p.fetch(ctx, strconv.FormatUint(uint64(uid), 10), func(a identity.Account) bool { return a.UID == uid })
}

func (p *Provider) fetch(ctx context.Context, id string, asked func(identity.Account) bool) (provider.Record, error) {
	t, _, err := p.lookup(ctx, id)
	if err == nil {
		var r provider.Record
		if r, err = p.record(ctx, t, nil); err == nil {
			// The server finds an account by any of its names; here it has one.
			if asked(r.Token.Account) {
				return r, nil
			}
			err = fmt.Errorf("%w: the account is %s here", provider.ErrNotFound, r.Token.Account.Name)
		}
	}
	return provider.Record{}, fmt.Errorf("fetch account: %w", err)
}

// namable tells whether an id can stand in a path. The server tidies paths, so what
// would lead out of its place is never sent.
func namable(id string) bool {
	return id != "" && !strings.ContainsAny(id, "/\\%") && strings.Trim(id, ".") != ""
}

// known is what is remembered of an account over restarts.
type known struct {
	Revision uint64   `json:"revision"`
	Hash     [32]byte `json:"hash"` // of the token without revision and time
	// Second is a further factor that the account was seen to hold.
	Second identity.FactorKind `json:"second,omitempty"`
}

func memoryKey(account uuid.UUID) string { return "kanidm/" + account.String() }

// record makes the token of an answer, and signs it. proved, when not nil, is what
// the account has just proved to hold.
func (p *Provider) record(ctx context.Context, u *unixToken, proved []identity.FactorKind) (provider.Record, error) {
	p.seen.Lock()
	defer p.seen.Unlock()
	key := memoryKey(u.UUID)
	was, err := p.recall(ctx, key)
	if err != nil {
		return provider.Record{}, err
	}
	now := was
	if p.o.Stepped && proved != nil {
		now.Second = ""
		if len(proved) > 1 {
			now.Second = identity.TOTP
		}
	}
	// A factor that the sign-in in force cannot prove is not held here: nobody could give it.
	t := p.token(u, p.o.Stepped && (now.Second != "" || slices.Contains(proved, identity.BackupCode)))
	t.MakeSafe()
	plain, err := json.Marshal(t)
	if err != nil {
		return provider.Record{}, fmt.Errorf("%w: %w", provider.ErrOffline, err)
	}
	if now.Hash = sha256.Sum256(plain); now.Hash != was.Hash {
		// Never the number of an older state, even when what is remembered was lost.
		now.Revision = max(was.Revision+1, uint64(max(p.o.Now().Unix(), 0)))
	}
	if now != was {
		if err := p.remember(ctx, key, now); err != nil {
			return provider.Record{}, err
		}
	}
	t.Revision, t.IssuedAt = now.Revision, p.o.Now().Unix()
	// One that breaks a rule is not signed: the resolver refuses it by name.
	signed, err := p.signer.SignIDToken(t)
	if err != nil && !errors.Is(err, identity.ErrToken) {
		return provider.Record{}, fmt.Errorf("%w: %w", provider.ErrOffline, err)
	}
	return provider.Record{Signed: signed, Token: t}, nil
}

func (p *Provider) recall(ctx context.Context, key string) (known, error) {
	var k known
	b, err := p.o.Memory.Recall(ctx, key)
	if errors.Is(err, identity.ErrNotFound) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err != nil {
		return known{}, fmt.Errorf("%w: what is remembered of the account: %w", provider.ErrOffline, err)
	}
	return k, nil
}

func (p *Provider) remember(ctx context.Context, key string, k known) error {
	b, err := json.Marshal(k)
	if err == nil {
		err = p.o.Memory.Remember(ctx, key, b)
	}
	if err != nil {
		return fmt.Errorf("%w: remember the account: %w", provider.ErrOffline, err)
	}
	return nil
}

// token is the account as this machine sees it.
func (p *Provider) token(u *unixToken, second bool) *identity.IDToken {
	m := p.o.Mapping
	home := map[Attribute]string{ByName: u.Name, BySPN: u.SPN, ByUUID: u.UUID.String()}
	t := &identity.IDToken{
		Realm: p.o.Realm, State: identity.Disabled, ValidFrom: 0, ValidUntil: identity.Never,
		OfflineFor: uint32(min(p.o.OfflineFor/time.Second, 1<<31)), //nolint:gosec // bounded
		Account: identity.Account{
			UUID: u.UUID, Name: called(m.QualifiedUsers, u.Name, u.SPN), UID: u.GIDNumber, GID: u.GIDNumber,
			FullName: u.DisplayName, Home: m.HomePrefix + home[m.HomeName], Shell: m.Shell,
		},
		Factors: []identity.Factor{{Kind: identity.Password, Epoch: 1}},
	}
	if u.Valid {
		t.State = identity.Active
	}
	if u.Shell != nil && *u.Shell != "" {
		var why string
		if t.Account.Shell, why = p.shell(*u.Shell); why != "" {
			t.LeftOut = append(t.LeftOut, identity.LeftOut{Part: "shell", Why: why})
		}
	}
	if second {
		t.Factors = append(t.Factors, identity.Factor{Kind: identity.TOTP, Epoch: 1}, identity.Factor{Kind: identity.BackupCode, Epoch: 1})
	}
	for _, g := range u.Groups {
		t.Groups = append(t.Groups, g.group(m.QualifiedGroups))
	}
	if t.Groups[0].GID != 0 {
		t.Account.GID = t.Groups[0].GID
	}
	for i, line := range u.SSHKeys {
		t.SSHKeys = append(t.SSHKeys, identity.SSHKey{Tag: "key " + strconv.Itoa(i+1), Line: withoutComment(line)})
	}
	return t
}

// called is the name that somebody has here.
func called(qualified bool, name, spn string) identity.Name {
	if qualified {
		return identity.Name(spn)
	}
	return identity.Name(name)
}

// withoutComment leaves the type and the key of a line of authorized_keys.
func withoutComment(line string) string {
	f := strings.Fields(line)
	return strings.Join(f[:min(len(f), 2)], " ")
}
