package kanidm

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/google/uuid"
)

// authSession is an authentication that is going on.
type authSession struct {
	who        *Person
	mech       string
	privileged bool
	wants      []string
	wrong      string // why not
	ended      bool
	of         *session
}

// session is what an authentication opened; nobody's is the anonymous one. Every
// reauthentication gives one more bearer of the same.
type session struct {
	who        *Person
	mech       string
	privileged bool
	credential int
	over       bool
}

// valid tells whether a session is one still.
func (s *session) valid() bool {
	return !s.over && (s.who == nil || !s.who.Removed && !s.who.Invalid && s.credential == s.who.credential)
}

// Sessions tells how many sessions somebody has.
func (d *Double) Sessions(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[*session]bool{}
	for _, s := range d.opened {
		if s.who != nil && s.who.Name == name && s.valid() {
			seen[s] = true
		}
	}
	return len(seen)
}

// Reauthenticated tells how many proofs were given by way of /v1/reauth.
func (d *Double) Reauthenticated() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.again
}

func (d *Double) logout(bearer string) {
	s := d.opened[bearer]
	if s == nil || s.who == nil {
		return // no session, or one that is not written down
	}
	s.over = true
	for b, o := range d.opened {
		if o == s {
			delete(d.bearers, b)
		}
	}
}

// auth is the stepped authentication: the second factor before the password.
func (d *Double) auth(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Step struct {
			Init2 *struct {
				Username, Issue string
				Privileged      bool
			}
			Begin string
			Cred  json.RawMessage
		}
	}
	if json.NewDecoder(r.Body).Decode(&b) != nil {
		reply(w, 400, "invalidrequeststate")
		return
	}
	if b.Step.Init2 != nil {
		d.init(w, b.Step.Init2.Username, b.Step.Init2.Privileged)
		return
	}
	id := r.Header.Get("X-KANIDM-AUTH-SESSION-ID")
	s := d.sessions[id]
	switch {
	case s == nil && b.Step.Begin != "":
		reply(w, 500, map[string]any{"invalidauthstate": "session id not present in cred presented to 'begin' step"})
		return
	case s == nil:
		reply(w, 500, map[string]any{"invalidauthstate": "session id not present in cred to 'cred' step"})
		return
	case s.ended:
		reply(w, 500, "au0001invalidstate")
		return
	}
	if b.Step.Begin != "" {
		s.begin(b.Step.Begin)
	} else {
		s.take(b.Step.Cred)
	}
	switch {
	case s.wrong != "":
		s.ended = true
		state(w, id, map[string]any{"denied": s.wrong})
	case len(s.wants) > 0:
		s.goOn(w, id)
	default:
		s.ended = true
		state(w, id, map[string]any{"success": d.opens(s)})
	}
}

// state answers a step.
func state(w http.ResponseWriter, id string, now map[string]any) {
	reply(w, 200, map[string]any{"sessionid": id, "state": now})
}

// goOn asks for the next credential. Only now, and with the choice of mechanisms, the
// header of the session comes along.
func (s *authSession) goOn(w http.ResponseWriter, id string) {
	w.Header().Set("X-KANIDM-AUTH-SESSION-ID", id)
	state(w, id, map[string]any{"continue": s.wants[:1]})
}

// opens is the bearer of an authentication that came out well.
func (d *Double) opens(s *authSession) string {
	token := uuid.NewString()
	d.bearers[token] = true
	if s.of != nil {
		d.again++
	} else {
		s.of = &session{who: s.who, mech: s.mech, privileged: s.privileged}
		if s.who != nil {
			s.of.credential = s.who.credential
		}
	}
	d.opened[token] = s.of
	return token
}

func (d *Double) init(w http.ResponseWriter, username string, privileged bool) {
	s, mechs := &authSession{privileged: privileged}, []string{"anonymous"}
	id := uuid.NewString()
	if username != "anonymous" {
		if s.who = d.find(username); s.who == nil {
			reply(w, 404, "nomatchingentries")
			return
		}
		if s.who.Invalid {
			state(w, id, map[string]any{"denied": "account expired"})
			return
		}
		if mechs = s.who.mechanisms(); len(mechs) == 0 {
			state(w, id, map[string]any{"denied": "invalid credential state"})
			return
		}
	}
	d.sessions[id] = s
	w.Header().Set("X-KANIDM-AUTH-SESSION-ID", id)
	state(w, id, map[string]any{"choose": mechs})
}

// reauth has somebody prove again what a session was opened with.
func (d *Double) reauth(w http.ResponseWriter, r *http.Request) {
	var issue string
	if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&issue) != nil || issue != "token" {
		http.Error(w, "it wants to know what to issue", http.StatusUnprocessableEntity)
		return
	}
	of := d.opened[bearer(r)]
	switch {
	case of == nil && !d.bearers[bearer(r)]:
		reply(w, 401, "notauthenticated")
		return
	case of != nil && !of.valid():
		reply(w, 401, "sessionexpired")
		return
	case of == nil || of.who == nil: // a service account's token, or the anonymous session
		reply(w, 500, "invalidstate")
		return
	case of.privileged:
		reply(w, 500, "sessionmaynotreauth")
		return
	}
	id := uuid.NewString()
	s := &authSession{who: of.who, mech: of.mech, of: of, wants: map[string][]string{"password": {"password"}, "passwordmfa": {"totp", "password"}}[of.mech]}
	switch {
	case of.who.Locked:
		state(w, id, map[string]any{"denied": "Credential is temporarily locked"})
	case len(s.wants) == 0: // it was opened with a backup code, which is used up
		state(w, id, map[string]any{"denied": "invalid credential message"})
	default:
		d.sessions[id] = s
		s.goOn(w, id)
	}
}

func (p *Person) mechanisms() (list []string) {
	if p.Passkey {
		list = append(list, "passkey")
	}
	switch {
	case p.TOTP != "":
		list = append(list, "passwordmfa")
		if p.Backup != "" {
			list = append(list, "passwordbackupcode")
		}
	case p.Password != "":
		list = append(list, "password")
	}
	return list
}

// begin chooses a mechanism.
func (s *authSession) begin(mech string) {
	s.mech = mech
	s.wants = map[string][]string{
		"anonymous": {"anonymous"}, "password": {"password"}, "passwordmfa": {"totp", "password"}, "passwordbackupcode": {"backupcode", "password"},
	}[mech]
	switch {
	case len(s.wants) == 0:
		s.wrong = "invalid credential message"
	case s.who != nil && s.who.Locked:
		s.wrong = "Account is temporarily locked"
	}
}

// take compares one credential with what is wanted next.
func (s *authSession) take(cred json.RawMessage) {
	var c struct {
		TOTP                 *uint32
		Password, BackupCode *string
	}
	_ = json.Unmarshal(cred, &c)
	want := ""
	if len(s.wants) > 0 {
		want, s.wants = s.wants[0], s.wants[1:]
	}
	// Another kind than is wanted is a fault of its own.
	right, why := false, "invalid authentication method in this context"
	judge := func(given, is bool, wrong string) {
		if given {
			right, why = is, wrong
		}
	}
	switch want {
	case "anonymous":
		right = string(cred) == `"anonymous"`
	case "totp":
		code, _ := strconv.ParseUint(s.who.TOTP, 10, 32)
		judge(c.TOTP != nil, c.TOTP != nil && uint64(*c.TOTP) == code, "incorrect totp")
	case "password":
		judge(c.Password != nil, c.Password != nil && *c.Password == s.who.Password, "incorrect password")
	case "backupcode":
		judge(c.BackupCode != nil, c.BackupCode != nil && *c.BackupCode == s.who.Backup, "invalid backup code")
	}
	switch {
	case s.who != nil && s.who.Locked:
		s.wrong = "Account is temporarily locked"
	case !right:
		s.wrong = why
	}
}
