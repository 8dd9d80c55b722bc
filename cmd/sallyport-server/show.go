package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// shower knows how answers are to be written.
type shower struct {
	url    string // of the server; may be unknown
	asJSON bool
}

// show writes an answer for people, or as one JSON document. Lists become an
// object with one array, as in the API.
func (s shower) show(out io.Writer, m proto.Message) error {
	var text bytes.Buffer
	if s.asJSON {
		b, err := protojson.MarshalOptions{EmitDefaultValues: true, UseProtoNames: true}.Marshal(m)
		if err != nil {
			return fmt.Errorf("write json: %w", err)
		}
		// protojson varies its white space on purpose.
		if err := json.Indent(&text, b, "", "  "); err != nil {
			return fmt.Errorf("write json: %w", err)
		}
		text.WriteByte('\n')
	} else {
		w := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
		s.people(w, m)
		_ = w.Flush()
	}
	if _, err := out.Write(text.Bytes()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func (s shower) people(w io.Writer, m proto.Message) {
	switch m := m.(type) {
	case *v1.AccountView:
		account(w, m)
	case *v1.ListAccountsResponse:
		for _, a := range m.GetAccounts() {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", a.GetName(), a.GetUid(), a.GetState(), strings.Join(a.GetFactors(), "+"), a.GetFullName())
		}
	case *v1.AddTOTPResponse:
		account(w, m.GetAccount())
		if m.GetOtpauthUrl() != "" {
			fmt.Fprintf(w, "scan\t%s\n", m.GetOtpauthUrl())
		}
	case *v1.NewBackupCodesResponse:
		newCodes(w, m)
	case *v1.RealmView:
		realmSettings(w, m)
	case *v1.ListHistoriesResponse:
		histories(w, m)
	case *v1.GroupView:
		fmt.Fprintf(w, "name\t%s\ngid\t%d\nuuid\t%s\ndemands\t%s\naccounts\t%s\ngroups\t%s\n", m.GetName(), m.GetGid(), m.GetUuid(),
			strings.Join(m.GetDemands(), " "), strings.Join(m.GetAccounts(), " "), strings.Join(m.GetGroups(), " "))
		fmt.Fprintf(w, "points\t%d\nearned\t%s\noffline codes\t%s\n", m.GetPoints(), yesNo(m.GetEarned()), yesNo(m.GetOfflineCodes()))
	case *v1.MachineView:
		machine(w, m)
	case *v1.ListGroupsResponse:
		for _, g := range m.GetGroups() {
			fmt.Fprintf(w, "%s\t%d\t%s\n", g.GetName(), g.GetGid(), strings.Join(append(g.GetAccounts(), g.GetGroups()...), " "))
		}
	case *v1.AddMachineResponse:
		fmt.Fprintf(w, "code\t%s\nfingerprint\t%s\nexpires\t%s\n\nOn the machine: sudo sallyport join --server %s --code %s --fingerprint %s\n",
			m.GetCode(), m.GetFingerprint(), stamp(m.GetExpires()), cmp.Or(s.url, "URL"), m.GetCode(), m.GetFingerprint())
	case *v1.ListMachinesResponse:
		for _, c := range m.GetMachines() {
			state := c.GetState()
			if c.GetDuplicated() != nil {
				state += " (DUPLICATED: two machines use this identity)"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.GetName(), c.GetUuid(), state, stamp(c.GetJoined()), stamp(c.GetLastSeen()), c.GetLastAddress(), c.GetVersion())
		}
	case *v1.RuleView, *v1.ListRulesResponse, *v1.RequestView, *v1.ListAllRequestsResponse:
		requests(w, m)
	case *v1.IdentityServiceView, *v1.InviteIdentityResponse, *v1.ListIdentityDevicesResponse, *v1.ListIdentityWalletsResponse:
		identityService(w, m)
	case *v1.ApplicationsView, *v1.ApplicationView, *v1.ListApplicationsResponse, *v1.ListInstancesResponse, *v1.InvitePersonResponse,
		*v1.ListPersonKeysResponse, *v1.ListJobsResponse, *v1.ResourceGrant, *v1.ListResourceGrantsResponse:
		applications(w, m)
	case *v1.ListAuditResponse:
		for _, r := range m.GetRows() {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", r.GetId(), stamp(r.GetTime()), r.GetActor(), r.GetAction(), r.GetSubject(), r.GetDetail())
		}
	case *v1.VerifyAuditResponse:
		fmt.Fprintf(w, "rows\t%d\nhead\t%s\n", m.GetRows(), m.GetHead())
		fmt.Fprintf(w, "newest row\t%d\n", m.GetNewest())
		if m.GetPrunedTo() > 0 {
			fmt.Fprintf(w, "pruned up to row\t%d\n", m.GetPrunedTo())
		}
		if m.GetSignedRow() > 0 {
			fmt.Fprintf(w, "as signed\tup to row %d, on %s\n", m.GetSignedRow(), stamp(m.GetSignedAt()))
		}
	case *v1.SignAuditResponse:
		_ = pem.Encode(w, &pem.Block{Type: headBlock, Headers: map[string]string{"Row": fmt.Sprint(m.GetNewest())}, Bytes: m.GetSigned()})
	case *v1.PruneAuditResponse:
		fmt.Fprintf(w, "deleted rows\t%d\n", m.GetRows())
		if m.GetRows() > 0 {
			fmt.Fprintf(w, "pruned up to row\t%d\nits hash\t%s\n", m.GetPrunedTo(), m.GetHash())
		}
	case *v1.RotateKeysResponse:
		fmt.Fprintf(w, "signing with\t%s\nkey list\tversion %d\n", m.GetKeyId(), m.GetKeys().GetVersion())
	case *v1.KeysView:
		keys(w, m)
	default:
		s.fleet(w, m)
	}
}

func machine(w io.Writer, m *v1.MachineView) {
	fmt.Fprintf(w, "name\t%s\nuuid\t%s\nstate\t%s\noffline codes\t%s\n", m.GetName(), m.GetUuid(), m.GetState(), yesNo(m.GetOfflineCodes()))
	fmt.Fprintf(w, "last seen\t%s\t%s\t%s\n", stamp(m.GetLastSeen()), m.GetLastAddress(), m.GetVersion())
	if m.GetDuplicated() != nil {
		fmt.Fprintf(w, "duplicated\tsince %s: two machines use this identity\n", stamp(m.GetDuplicated()))
	}
	if m.GetQuarantined() != nil {
		fmt.Fprintf(w, "quarantined\tsince %s\n", stamp(m.GetQuarantined()))
	}
	fmt.Fprintf(w, "stored ssh keys\t%s\n", cmp.Or(m.GetStoredKeys(), "as the realm says"))
	if len(m.GetTags()) > 0 {
		fmt.Fprintf(w, "tags\t%s\n", strings.Join(m.GetTags(), " "))
	}
	if len(m.GetHostNames()) > 0 {
		fmt.Fprintf(w, "host names\t%s\n", strings.Join(m.GetHostNames(), " "))
	}
	if len(m.GetAddresses()) > 0 {
		fmt.Fprintf(w, "addresses\t%s\n", strings.Join(m.GetAddresses(), " "))
	}
	if m.GetScoped() {
		fmt.Fprintf(w, "admits\tmembers of: %s\n", strings.Join(m.GetAdmits(), " "))
	}
}

func account(w io.Writer, a *v1.AccountView) {
	fmt.Fprintf(w, "name\t%s\nuid\t%d\ngid\t%d\nuuid\t%s\nfull name\t%s\nhome\t%s\nshell\t%s\nstate\t%s\n",
		a.GetName(), a.GetUid(), a.GetGid(), a.GetUuid(), a.GetFullName(), a.GetHome(), a.GetShell(), a.GetState())
	fmt.Fprintf(w, "groups\t%s\nfactors\t%s\n", strings.Join(a.GetGroups(), " "), strings.Join(a.GetFactors(), " "))
	for _, k := range a.GetSshKeys() {
		fmt.Fprintf(w, "ssh key\t%s\t%s\n", k.GetTag(), k.GetLine())
	}
	cards(w, a)
	places(w, a)
	if a.GetOpaquePassword() {
		fmt.Fprint(w, "password\tregistered by OPAQUE\n")
	}
	if a.GetMustChangePassword() {
		fmt.Fprint(w, "password\tmust be changed at the next login\n")
	}
	for what, t := range map[string]*timestamppb.Timestamp{"valid from": a.GetValidFrom(), "valid until": a.GetValidUntil(), "password good until": a.GetPasswordChangeBy(), "locked until": a.GetLockedUntil()} {
		if t != nil {
			fmt.Fprintf(w, "%s\t%s\n", what, stamp(t))
		}
	}
}

// places writes where the account has signed in, and where wrong answers came from.
func places(w io.Writer, a *v1.AccountView) {
	for _, p := range a.GetPlaces() {
		fmt.Fprintf(w, "signed in\t%s\tfrom %s\t%s\n", p.GetMachine(), p.GetOrigin(), stamp(p.GetLast()))
	}
	for _, f := range a.GetFailuresAt() {
		where, from := f.GetMachine(), "from "+f.GetOrigin()
		switch {
		case where == "":
			where, from = "the realm", "on machines without a sign-in before"
		case f.GetOrigin() == "":
			from = "from places without a sign-in before"
		}
		state := ""
		if f.GetLockedUntil() != nil {
			state = "locked until " + stamp(f.GetLockedUntil())
		}
		fmt.Fprintf(w, "wrong %s\t%s\t%s\t%d\t%s\n", f.GetFactor(), where, from, f.GetCount(), state)
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func stamp(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Local().Format(time.RFC3339)
}
