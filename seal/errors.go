package seal

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/google/go-tpm/tpm2"
)

// Errors of a TPM that a caller decides on. Their texts say what to do.
var (
	// ErrNoTPM says that there is none.
	ErrNoTPM = errors.New("no TPM 2.0 here")
	// ErrTPM says that there is one that cannot be used now. It may work later.
	ErrTPM = errors.New("TPM not usable")
	// ErrOtherTPM says that the machine's keys are another TPM's, or that this one
	// was cleared: then they are gone for good.
	ErrOtherTPM = errors.New("sealed by another TPM")
	// ErrTPMFile says that seal.tpm is damaged, or that others may change it.
	ErrTPMFile = errors.New("seal.tpm refused")
)

// What only the middle of a conversation knows.
var (
	errOwner = errors.New("it has an owner's password and no usable storage key at 0x81000001")
	errOther = errors.New("the storage key is another")
)

// judge turns what went wrong into one of ours, with its mend.
func judge(device, path string, err error) error {
	switch {
	case errors.Is(err, errOther), errors.Is(err, tpm2.TPMRCIntegrity):
		return fmt.Errorf("%w: the keys in %s are not of the TPM at %s, or it was cleared since; "+
			"if that is meant, remove the file and restart sallyportd: then everybody must log in online once", ErrOtherTPM, path, device)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %s: is it switched on in the firmware, and its driver loaded? %w", ErrNoTPM, device, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %s must be readable and writable for the user sallyport, as by its group tss: %w", ErrTPM, device, err)
	case errors.Is(err, errOwner):
		return fmt.Errorf("%w: %s: %w; put the TCG's storage key for P-256 there, or remove the password", ErrTPM, device, err)
	default:
		return fmt.Errorf("%w: %s: %w", ErrTPM, device, err)
	}
}

// same compares in constant time.
func same(a, b []byte) bool { return len(a) > 0 && hmac.Equal(a, b) }
