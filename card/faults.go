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
	case codeNoService, codeStopped:
		if refused() {
			return identity.CardNotAllowed
		}
		return identity.CardNoService
	case codeSecurity:
		return identity.CardNotAllowed
	case codeNoReaders:
		return identity.CardNoReader
	case codeSharing:
		return identity.CardBusy
	case codeNoCard, codeReset, codeRemoved, codeUnpowered, codeUnavailable, codeUnknownReader, codeNoTransaction, codeCommError, codeComm, codeNotReady:
		return identity.CardRemoved
	case codeMute, codeUnsupported, codeProtocol:
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
	c, err := net.Dial("unix", path) //nolint:noctx // answered by the kernel, at once
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
		{codeSharing, "because of other connections outstanding"},
		{codeNoCard, "no Smart Card is currently in the device"},
		{codeRemoved, "the smart card has been removed"},
		{codeReset, "the smart card has been reset"},
		{codeUnavailable, "the specified reader is not currently available"},
		{codeUnknownReader, "the specified reader name is not recognized"},
		{codeCommError, "an internal communications error has been detected"},
		{codeComm, "a communications error with the smart card"},
		{codeNoTransaction, "an attempt was made to end a non-existent transaction"},
		{codeNotReady, "is not ready to accept commands"},
		{codeUnpowered, "power has been removed from the smart card"},
		{codeMute, "the smart card is not responding to a reset"},
		{codeProtocol, "the requested protocols are incompatible"},
		{codeNoService, "the Smart card resource manager is not running"},
		{codeStopped, "the Smart card resource manager has shut down"},
		{codeSecurity, "because of a security violation"},
		{codeNoReaders, "cannot find a smart card reader"},
	}
}
