package server

import (
	"errors"
	"strconv"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/proto/identity/identitypbconnect"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// readsMay are all the procedures that a server that only reads answers, and the least forms
// that their caller must understand. Whatever is not among them changes something, or is new
// and nobody has thought about it.
var readsMay = map[string]int{ //nolint:gochecknoglobals // a constant
	sallyportv1connect.RealmServiceDescribeProcedure:          formsReading,
	sallyportv1connect.MachineServiceGetVerdictProcedure:      formsReading,
	sallyportv1connect.DirectoryServiceGetIDTokenProcedure:    formsReading,
	sallyportv1connect.DirectoryServiceListIDTokensProcedure:  formsReading,
	sallyportv1connect.DirectoryServiceWatchProcedure:         formsReading,
	sallyportv1connect.AuthenticationServiceBeginProcedure:    formsReading,
	sallyportv1connect.AuthenticationServiceStepProcedure:     formsReading,
	sallyportv1connect.CardServiceGetCertificateProcedure:     formsReading,
	sallyportv1connect.CardServiceAnswerChallengeProcedure:    formsReading,
	identitypbconnect.IdentityServiceVerifyUserTokenProcedure: formsAny,
	identitypbconnect.IdentityServiceListDevicesProcedure:     formsAny,
}

// formsReading is what a caller understands who knows keys of servers that only read. One
// of before would take what they signed for a forgery.
const formsReading = 3

// formsAny is for answers in which nothing is signed: anybody understands them.
const formsAny = 0

// mayAsk refuses what this server must not answer to that caller.
func mayAsk(r *realm.Realm, procedure, forms string) error {
	if err := r.Fit(); err != nil {
		return err
	}
	if r.Reads() == nil {
		return nil
	}
	least, may := readsMay[procedure]
	if !may {
		return realm.OnlyReads("a full server of the realm makes changes")
	}
	if n, _ := strconv.Atoi(forms); n < least { // absent or nonsense is 0
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
