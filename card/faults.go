package card

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/go-piv/piv-go/v2/piv"

	"github.com/sallyport-auth/sallyport/identity"
)

var (
	errShort     = errors.New("the card's answer breaks off")
	errGarbage   = errors.New("the card's answer makes no sense")
	errForm      = errors.New("a PIN has 6 to 8 characters")
	errNotTheOne = errors.New("it is not the card that was found")
	errEmpty     = errors.New("no certificate in slot 9A or 9C")
	errTouch     = errors.New("the key was not touched")
)

func faulty(f identity.CardFault, err error) *identity.CardError {
	return &identity.CardError{Fault: f, Retries: -1, Err: err}
}

// fault judges what came from libpcsclite, the card or piv-go.
func fault(err error) *identity.CardError {
	var done *identity.CardError
	var pin piv.AuthErr
	switch {
	case err == nil:
		return nil
	case errors.As(err, &done):
		return done
	case errors.Is(err, errNoApplication), errors.Is(err, errEmpty):
		return faulty(identity.CardNotPIV, err)
	case errors.Is(err, errShort), strings.Contains(err.Error(), "scard response too short"): // piv-go's words
		return faulty(identity.CardRemoved, err)
	case errors.Is(err, errNoVersion):
		return faulty(identity.CardUnsupported, err)
	case errors.As(err, &pin):
		if pin.Retries == 0 {
			return &identity.CardError{Fault: identity.CardBlocked, Err: err}
		}
		return &identity.CardError{Fault: identity.CardWrongPIN, Retries: pin.Retries, Err: err}
	}
	if c, ok := codeOf(err); ok {
		return faulty(ofCode(c), err)
	}
	return faulty(identity.CardUnknown, err)
}

func ofCode(c code) identity.CardFault {
	switch c {
	case errNoService, errStopped:
		if refused() {
			return identity.CardNotAllowed
		}
		return identity.CardNoService
	case errSecurity:
		return identity.CardNotAllowed
	case errNoReaders:
		return identity.CardNoReader
	case errSharing:
		return identity.CardBusy
	case errNoCard, errReset, errRemoved, errUnpowered, errUnavailable, errUnknownReader, errNoTransaction, errCommError, errComm, errNotReady:
		return identity.CardRemoved
	case errMute, errUnsupported, errProtocol:
		return identity.CardNotPIV
	default:
		return identity.CardUnknown
	}
}

// socket is where libpcsclite looks for pcscd, unless its own variable says else.
const socket = "/run/pcscd/pcscd.comm"

// refused tells a socket that we may not use from one that is not there: to
// libpcsclite both are "no service".
func refused() bool {
	path := socket
	if p := os.Getenv("PCSCLITE_CSOCK_NAME"); p != "" {
		path = p
	}
	c, err := net.Dial("unix", path) //nolint:noctx,gosec // answered by the kernel, at once; the variable is libpcsclite's own
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}

// status is the status word of the card that err is about.
func status(err error) (uint16, bool) {
	var e interface{ Status() uint16 }
	if errors.As(err, &e) {
		return e.Status(), true
	}
	return 0, false
}

const swNotSatisfied = 0x6982

// codeOf is the code of libpcsclite in err. piv-go has it too, and shows only its
// text, sometimes without wrapping it.
func codeOf(err error) (code, bool) {
	var c code
	if errors.As(err, &c) {
		return c, true
	}
	text := err.Error()
	for _, m := range texts() {
		if strings.Contains(text, m.text) {
			return m.code, true
		}
	}
	return 0, false
}

type text struct {
	code code
	text string
}

// texts are piv-go's (pcsc_errors.go), pinned by a test.
func texts() []text {
	return []text{
		{errSharing, "because of other connections outstanding"},
		{errNoCard, "no Smart Card is currently in the device"},
		{errRemoved, "the smart card has been removed"},
		{errReset, "the smart card has been reset"},
		{errUnavailable, "the specified reader is not currently available"},
		{errUnknownReader, "the specified reader name is not"},
		{errCommError, "an internal communications error has been detected"},
		{errComm, "a communications error with the smart card"},
		{errNoTransaction, "an attempt was made to end a non-existent transaction"},
		{errNotReady, "is not ready to accept commands"},
		{errUnpowered, "power has been removed from the smart card"},
		{errMute, "the smart card is not responding to a reset"},
		{errProtocol, "the requested protocols are incompatible"},
		{errNoService, "the Smart card resource manager is not running"},
		{errStopped, "the Smart card resource manager has shut down"},
		{errSecurity, "because of a security violation"},
		{errNoReaders, "cannot find a smart card reader"},
	}
}
