package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// DefaultDevice is the TPM behind the kernel's resource manager: keys that we
// load are nobody else's to use, and gone with our file descriptor.
const DefaultDevice = "/dev/tpmrm0"

const (
	tpmHeader   = 10   // tag, length, code: TPM 2.0 library, part 1, 18.2
	maxResponse = 4096 // what the kernel's driver holds
)

// line is one open TPM; it is go-tpm's transport.TPM.
type line struct{ io.ReadWriteCloser }

// dial opens a character device, or the socket of a TPM in software.
func dial(path string) (*line, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // judged by trouble
	}
	if info.Mode()&os.ModeSocket != 0 {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return nil, err //nolint:wrapcheck // judged by trouble
		}
		return &line{c}, nil
	}
	if info.Mode()&os.ModeCharDevice == 0 {
		return nil, fmt.Errorf("%s is neither a device nor a socket", path)
	}
	// Not os.OpenFile, which would make it non-blocking: then the driver answers a
	// read with "end of file" until the TPM is done.
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &line{os.NewFile(uintptr(fd), path)}, nil
}

// Send is one command and its response.
func (l *line) Send(command []byte) ([]byte, error) {
	if _, err := l.Write(command); err != nil {
		return nil, err //nolint:wrapcheck // judged by trouble
	}
	buf := make([]byte, maxResponse)
	for have := 0; ; {
		n, err := l.Read(buf[have:])
		have += n
		if have >= tpmHeader {
			want := int(binary.BigEndian.Uint32(buf[2:]))
			switch {
			case want < tpmHeader || want > len(buf) || have > want:
				return nil, errors.New("the TPM's response has no sound length")
			case have == want:
				return buf[:have], nil
			}
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // judged by trouble
		}
		if n == 0 {
			return nil, io.ErrUnexpectedEOF
		}
	}
}
