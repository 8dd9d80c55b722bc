package server

import (
	"errors"
	"strconv"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// readsMay are all the procedures that a server that only reads answers. Whatever is not
// among them changes something, or is new and nobody has thought about it.
var readsMay = map[string]bool{ //nolint:gochecknoglobals // a constant
	sallyportv1connect.RealmServiceDescribeProcedure:         true,
	sallyportv1connect.MachineServiceGetVerdictProcedure:     true,
	sallyportv1connect.DirectoryServiceGetIDTokenProcedure:   true,
	sallyportv1connect.DirectoryServiceListIDTokensProcedure: true,
	sallyportv1connect.DirectoryServiceWatchProcedure:        true,
	sallyportv1connect.AuthenticationServiceBeginProcedure:   true,
	sallyportv1connect.AuthenticationServiceStepProcedure:    true,
	sallyportv1connect.CardServiceGetCertificateProcedure:    true,
	sallyportv1connect.CardServiceAnswerChallengeProcedure:   true,
}

// formsReading is what a caller understands who knows keys of servers that only read. One
// of before would take what they signed for a forgery.
const formsReading = 3

// mayAsk refuses what this server must not answer to that caller.
func mayAsk(r *realm.Realm, procedure, forms string) error {
	if err := r.Fit(); err != nil {
		return err
	}
	if r.Reads() == nil {
		return nil
	}
	if !readsMay[procedure] {
		return realm.OnlyReads("a full server of the realm makes changes")
	}
	if n, _ := strconv.Atoi(forms); n < formsReading { // absent or nonsense is 0
		return realm.OnlyReads("this caller's release is too old to know such servers")
	}
	return nil
}

// certain keeps a server that only reads from a no that machines take as final: its standby
// may not have heard of a machine or an account that is new.
func certain(r *realm.Realm, err error) error {
	var told *connect.Error
	if r.Reads() == nil || !errors.As(err, &told) {
		return err
	}
	if c := told.Code(); c == connect.CodeUnauthenticated || c == connect.CodeNotFound {
		return realm.OnlyReads("its standby does not know the machine or the account that this is about")
	}
	return err
}
