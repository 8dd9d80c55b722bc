package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sallyport-auth/sallyport/report"
)

// Neighbour is another machine, in a realm of its own whose server it runs. Both reach each
// other's servers on the loopback that they share. Call its Close.
func Neighbour(ctx context.Context, name, port string) (*Realm, error) {
	m, err := New()
	if err != nil {
		return nil, err
	}
	r := &Realm{Machine: m, Name: name, Port: port}
	for _, do := range []func(context.Context) error{r.Install, r.StartServer, r.Join, r.StartDaemon, r.WaitOnline} {
		if err := do(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// Says is what somebody at a terminal sees who begins a call with another, and the code in it.
func (r *Realm) Says(ctx context.Context, from, to string) (call report.VerifyCall, err error) {
	o, err := r.RunAs(ctx, from, "sallyport verify "+to+" --json < /dev/null 2>&1")
	if err == nil {
		err = json.NewDecoder(strings.NewReader(o.Screen)).Decode(&call)
	}
	if err != nil {
		return call, fmt.Errorf("%s verifies %s: %w\n%s", from, to, err, o.Screen)
	}
	return call, nil
}

// Hears types a code into a call of somebody with another.
func (r *Realm) Hears(ctx context.Context, listener, other, code string) (Outcome, error) {
	return r.TalkAs(ctx, listener, []string{"own anew): ", code}, "sallyport verify "+other)
}

// SetsUp makes somebody's key to be verified by.
func (r *Realm) SetsUp(ctx context.Context, who, password, words string) (Outcome, error) {
	return r.TalkAs(ctx, who, []string{"Password: ", password}, strings.TrimSpace("sallyport verify "+words))
}

// TellPartner makes the realm a partner of another, whose administrator has read the
// fingerprint aloud.
func (r *Realm) TellPartner(ctx context.Context, other *Realm, words ...string) (string, error) {
	return r.Admin(ctx, "", append([]string{"partner", "add", other.name(), "--server", other.URL(), "--fingerprint", other.Fingerprint}, words...)...)
}
