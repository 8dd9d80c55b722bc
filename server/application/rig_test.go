package application_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/application"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.OnEach(m)) }

const passphrase = "correct horse battery staple"

// rig is a realm with applications switched on, which is asked by plain HTTP, and the
// application notes. Alice may do everything in the space notes.
type rig struct {
	*servertest.Bench
	service  *application.Service
	url      string
	shipped  string
	delivery application.Delivery
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{Bench: servertest.New(t)}
	on := true
	r.Must(r.Admin.SetApplications(t.Context(), &v1.SetApplicationsRequest{Enabled: &on}))
	r.serve()
	r.shipped = r.ship("notes")
	r.Must(r.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "writers"}))
	r.Must(r.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "writers", Member: "alice"}))
	r.grant("create", "read", "update", "delete")
	return r
}

// serve answers, in place of whoever did.
func (r *rig) serve() { r.serveWith(nil) }

func (r *rig) serveWith(resources map[string]application.Resources) {
	r.service = application.New(r.Realm, resources, r.delivery)
	s := httptest.NewServer(realm.WithCallers(r.service))
	r.T.Cleanup(s.Close)
	r.url = s.URL + application.Path
}

// ship registers an application, and writes what is shipped with it.
func (r *rig) ship(name string) string {
	r.T.Helper()
	a, err := r.Admin.AddApplication(r.T.Context(), servertest.Named(name))
	r.Must(nil, err)
	folder := r.T.TempDir()
	r.Must(nil, os.WriteFile(filepath.Join(folder, client.ApplicationKey), []byte(a.GetPrivateKey()), 0o600))
	r.Must(nil, os.WriteFile(filepath.Join(folder, client.RealmKey), []byte(a.GetRealmPublicKey()), 0o600))
	return folder
}

func (r *rig) grant(operations ...string) {
	r.T.Helper()
	r.Must(r.Admin.GrantResource(r.T.Context(), &v1.GrantResourceRequest{Space: "notes", Group: "writers", Operations: operations}))
}

func (r *rig) invite(name string) string {
	r.T.Helper()
	i, err := r.Admin.InvitePerson(r.T.Context(), servertest.Named(name))
	r.Must(nil, err)
	return i.GetCode()
}

// from sends something from an address, and returns the status.
func (r *rig) from(address, text string) int { return r.sends(address, strings.NewReader(text)) }

func (r *rig) sends(address string, body io.Reader) int {
	req := httptest.NewRequest(http.MethodPost, application.Path, body)
	req.RemoteAddr = address
	w := httptest.NewRecorder()
	realm.WithCallers(r.service).ServeHTTP(w, req)
	return w.Code
}

// wire carries messages of a client, and keeps them.
type wire struct {
	sent, came [][]byte
	// host is where the server is now; "": where it was.
	host string
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	b := read(req.Body)
	w.sent = append(w.sent, b)
	again := req.Clone(req.Context())
	if w.host != "" {
		again.URL.Host = w.host
	}
	again.Body, again.ContentLength = body(b), int64(len(b))
	resp, err := http.DefaultTransport.RoundTrip(again)
	if err != nil {
		return nil, err
	}
	got := read(resp.Body)
	w.came = append(w.came, got)
	resp.Body = body(got)
	return resp, nil
}

// instance is a client of the rig, and the wire that it is on.
type instance struct {
	*client.Client
	*wire
	r *rig
}

// announced is a new instance.
func (r *rig) announced() instance {
	r.T.Helper()
	i := r.unknown()
	r.Must(i.Init(r.T.Context(), r.shipped, r.server()))
	return i
}

// unknown is one that has not announced itself.
func (r *rig) unknown() instance {
	w := &wire{}
	return instance{&client.Client{Folder: filepath.Join(r.T.TempDir(), "instance"), Now: r.Now, HTTP: &http.Client{Transport: w}}, w, r}
}

func (r *rig) server() string { return strings.TrimSuffix(r.url, application.Path) }

// point has a client talk to where the server is now.
func (i instance) point(r *rig) { i.host = strings.TrimPrefix(r.server(), "http://") }

// alice registers, and has said her passphrase.
func (i instance) alice() *client.Session {
	i.r.T.Helper()
	name, err := i.Register(i.r.T.Context(), "", i.r.invite("alice"), []byte(passphrase))
	i.r.Must(nil, err)
	s, err := i.Open(name, []byte(passphrase))
	i.r.Must(nil, err)
	return s
}

// text is an order about a text.
func text(resource, value string, revision uint64) message.OrderBody {
	v, _ := json.Marshal(value)
	return message.OrderBody{Resource: resource, Type: "text", Value: v, Revision: revision}
}

func about(resource string, revision uint64) message.OrderBody {
	return message.OrderBody{Resource: resource, Revision: revision}
}

// does asks for a job, and fetches what it came to.
func (r *rig) does(s *client.Session, operation message.Purpose, o message.OrderBody) message.JobResultBody {
	r.T.Helper()
	job, err := s.Order(r.T.Context(), operation, o)
	r.Must(nil, err)
	got, err := s.Fetch(r.T.Context(), job)
	r.Must(nil, err)
	return got
}

// wants is the cause of a refusal; "": there is none.
func (r *rig) wants(what string, err error, cause application.Cause) {
	r.T.Helper()
	var no client.RefusedError
	if cause == "" && err != nil || cause != "" && (!errors.As(err, &no) || no.Cause != string(cause)) {
		r.T.Errorf("%s: %v, want %q", what, err, cause)
	}
}

// send sends a message as it is, and returns the status.
func (r *rig) send(m []byte) int {
	_, status := r.service.Answer(r.T.Context(), m)
	return status
}

// later turns the clock on.
func (r *rig) later(d time.Duration) { r.Unix.Add(int64(d / time.Second)) }

// audit are the details of the rows of an action.
func (r *rig) audit(action string) (details []string) {
	r.T.Helper()
	log, err := r.Admin.ListAudit(context.WithoutCancel(r.T.Context()), &v1.ListAuditRequest{})
	r.Must(nil, err)
	for _, row := range log.GetRows() {
		if row.GetAction() == action {
			details = append(details, row.GetActor()+"|"+row.GetSubject()+"|"+row.GetDetail())
		}
	}
	return details
}
