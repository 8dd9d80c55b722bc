package card

// #cgo pkg-config: libpcsclite
// #include <stdlib.h>
// #include <winscard.h>
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"
)

// This is the little of PC/SC that piv-go does not have: to look at a reader
// without taking its card, to see before piv.Open whether that would work (when
// it does not, it keeps its connection for ever), and to reset a card.

// code is what libpcsclite returned (pcsclite.h).
type code uint32

const (
	errUnknownReader code = 0x80100009
	errTimeout       code = 0x8010000A
	errSharing       code = 0x8010000B
	errNoCard        code = 0x8010000C
	errProtocol      code = 0x8010000F
	errNotReady      code = 0x80100010
	errCommError     code = 0x80100013
	errNoTransaction code = 0x80100016
	errUnavailable   code = 0x80100017
	errNoService     code = 0x8010001D
	errStopped       code = 0x8010001E
	errNoReaders     code = 0x8010002E
	errComm          code = 0x8010002F
	errUnsupported   code = 0x80100065
	errMute          code = 0x80100066
	errUnpowered     code = 0x80100067
	errReset         code = 0x80100068
	errRemoved       code = 0x80100069
	errSecurity      code = 0x8010006A
)

func (c code) Error() string {
	return fmt.Sprintf("%s (0x%08x)", C.GoString(C.pcsc_stringify_error(C.LONG(c))), uint32(c))
}

func check(rc C.LONG) error {
	if rc == C.SCARD_S_SUCCESS {
		return nil
	}
	return code(rc)
}

type pcsc struct{ ctx C.SCARDCONTEXT }

func connect() (*pcsc, error) {
	p := &pcsc{}
	if err := check(C.SCardEstablishContext(C.SCARD_SCOPE_SYSTEM, nil, nil, &p.ctx)); err != nil {
		return nil, fmt.Errorf("connect to pcscd: %w", err)
	}
	return p, nil
}

func (p *pcsc) close() { _ = check(C.SCardReleaseContext(p.ctx)) }

// reader is one, with whether something is in it.
type reader struct {
	name string
	card bool
}

func (p *pcsc) readers() ([]reader, error) {
	var list *C.char
	n := C.DWORD(C.SCARD_AUTOALLOCATE)
	// With SCARD_AUTOALLOCATE the parameter is where the pointer to the list goes.
	if err := check(C.SCardListReaders(p.ctx, nil, C.LPSTR(unsafe.Pointer(&list)), &n)); err != nil {
		if errors.Is(err, errNoReaders) {
			return nil, nil
		}
		return nil, fmt.Errorf("list readers: %w", err)
	}
	defer C.SCardFreeMemory(p.ctx, C.LPCVOID(unsafe.Pointer(list)))
	var all []reader
	for name := range bytes.SplitSeq(C.GoBytes(unsafe.Pointer(list), C.int(n)), []byte{0}) {
		if len(name) > 0 {
			r := reader{name: string(name)}
			present, err := p.present(r.name)
			if err != nil {
				return nil, err
			}
			r.card = present
			all = append(all, r)
		}
	}
	return all, nil
}

func (p *pcsc) present(name string) (bool, error) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	// In C's memory: it holds a pointer.
	state := (*C.SCARD_READERSTATE)(C.calloc(1, C.sizeof_SCARD_READERSTATE))
	defer C.free(unsafe.Pointer(state))
	state.szReader = c
	err := check(C.SCardGetStatusChange(p.ctx, 0, state, 1))
	if err != nil && !errors.Is(err, errTimeout) && !errors.Is(err, errUnknownReader) {
		return false, fmt.Errorf("look at %s: %w", name, err)
	}
	return state.dwEventState&C.SCARD_STATE_PRESENT != 0, nil
}

// errNoApplication says that there is no PIV application.
var errNoApplication = errors.New("it has no PIV application")

// errNoVersion says that GET VERSION is not known.
var errNoVersion = errors.New("it does not tell its version, as piv-go needs")

// probe tells whether piv.Open would find what it asks for.
func (p *pcsc) probe(name string) error {
	return p.with(name, C.SCARD_LEAVE_CARD, func(h C.SCARDHANDLE) error {
		sw, err := transmit(h, []byte{0, 0xa4, 4, 0, 5, 0xa0, 0, 0, 3, 8})
		if err != nil {
			return fmt.Errorf("select PIV: %w", err)
		}
		if sw>>8 != 0x90 && sw>>8 != 0x61 {
			return fmt.Errorf("%w (%04x)", errNoApplication, sw)
		}
		if sw, err = transmit(h, []byte{0, 0xfd, 0, 0, 0}); err != nil {
			return fmt.Errorf("get version: %w", err)
		}
		if sw != 0x9000 {
			return fmt.Errorf("%w (%04x)", errNoVersion, sw)
		}
		return nil
	})
}

// reset makes the card forget a PIN that it was given.
func (p *pcsc) reset(name string) error {
	return p.with(name, C.SCARD_RESET_CARD, func(C.SCARDHANDLE) error { return nil })
}

func (p *pcsc) with(name string, then C.DWORD, f func(C.SCARDHANDLE) error) error {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	var h C.SCARDHANDLE
	var protocol C.DWORD
	if err := check(C.SCardConnect(p.ctx, c, C.SCARD_SHARE_SHARED, C.SCARD_PROTOCOL_T1, &h, &protocol)); err != nil {
		return fmt.Errorf("connect to the card: %w", err)
	}
	err := f(h)
	if end := check(C.SCardDisconnect(h, then)); err == nil && end != nil {
		return fmt.Errorf("disconnect from the card: %w", end)
	}
	return err
}

func transmit(h C.SCARDHANDLE, apdu []byte) (status uint16, err error) {
	var out [C.MAX_BUFFER_SIZE]byte
	n := C.DWORD(len(out))
	// What the macro SCARD_PCI_T1 points to.
	err = check(C.SCardTransmit(h, &C.g_rgSCardT1Pci, (*C.BYTE)(&apdu[0]), C.DWORD(len(apdu)), nil, (*C.BYTE)(&out[0]), &n))
	if err != nil {
		return 0, err
	}
	if n < 2 || int(n) > len(out) {
		return 0, errShort
	}
	return uint16(out[n-2])<<8 | uint16(out[n-1]), nil
}
