package seal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// KindAuto leaves the choice to [Open].
const KindAuto = "auto"

// Kinds are what [Options.Kind] may be.
func Kinds() []string { return []string{KindAuto, KindTPM, KindFile} }

// Options for [Open].
type Options struct {
	Dir    string // absolute; where seal.key and seal.tpm lie
	Kind   string // one of [Kinds]; "": auto
	Device string // "": [DefaultDevice]; a Unix socket is a TPM in software
	// Now is the clock that what is sealed later is dated by, for [MadeBefore]; nil:
	// time.Now.
	Now func() time.Time
}

// Choice is what [Open] took.
type Choice struct {
	Sealer Sealer
	Detail string // where, and why
	Mend   string // what would be stronger, and how to get it; "" if nothing
}

// Close gives back what the sealer holds.
func (c *Choice) Close() error {
	if closer, ok := c.Sealer.(io.Closer); ok {
		return closer.Close() //nolint:wrapcheck // ours
	}
	return nil
}

// ErrKind says that the kind asked for does not go with how the machine is sealed.
var ErrKind = errors.New("seal kind refused")

// Open takes the machine's sealer, by the table at the top of this package, and
// makes its keys at the very first start.
func Open(ctx context.Context, o Options) (*Choice, error) {
	if o.Kind == "" {
		o.Kind = KindAuto
	}
	if o.Device == "" {
		o.Device = DefaultDevice
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if !slices.Contains(Kinds(), o.Kind) {
		return nil, fmt.Errorf("%w: %q is none of %q", ErrKind, o.Kind, Kinds())
	}
	p := places{o: o, key: filepath.Join(o.Dir, "seal.key"), tpm: filepath.Join(o.Dir, "seal.tpm")}
	hasTPM, err1 := exists(p.tpm)
	hasKey, err2 := exists(p.key)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("open seal: %w", err)
	}
	c, err := p.open(ctx, hasTPM, hasKey)
	if err != nil {
		return nil, fmt.Errorf("open seal: %w", err)
	}
	return c, nil
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err //nolint:wrapcheck // the caller says what for
}

type places struct {
	o        Options
	key, tpm string
}

func (p places) open(ctx context.Context, hasTPM, hasKey bool) (*Choice, error) {
	switch {
	case hasTPM && p.o.Kind == KindFile:
		return nil, fmt.Errorf("%w: this machine is sealed by its TPM and the configuration says file; to begin anew with a file "+
			"remove %s and restart: then everybody must log in online once", ErrKind, p.tpm)
	case hasTPM:
		return p.withTPM(ctx)
	case p.o.Kind == KindTPM && hasKey:
		return p.move(ctx)
	case p.o.Kind == KindTPM:
		return p.first(ctx)
	case p.o.Kind == KindAuto && !hasKey:
		c, err := p.first(ctx)
		if errors.Is(err, ErrNoTPM) {
			return p.file("no TPM was found at "+p.o.Device, "")
		}
		if errors.Is(err, ErrTPM) {
			return p.file(err.Error(), p.how())
		}
		return c, err
	case p.o.Kind == KindAuto:
		if present(p.o.Device) {
			return p.file("it was before this machine's TPM was looked for", p.how())
		}
		return p.file("no TPM was found at "+p.o.Device, "")
	default:
		return p.file("by the configuration", "")
	}
}

func (p places) how() string {
	return `To bind secrets to the TPM set kind = "tpm" under [seal] in the configuration and restart sallyportd. Nobody has to log in again.`
}

// present tells whether there is something to talk to. It asks nothing.
func present(device string) bool {
	l, err := dial(device)
	return err == nil && l.Close() == nil
}

func (p places) file(why, mend string) (*Choice, error) {
	f, err := openOrCreateFile(p.key)
	if err != nil {
		return nil, err
	}
	return &Choice{Sealer: f, Detail: p.key + ": " + why, Mend: mend}, nil
}

// first makes the keys of a machine that has none.
func (p places) first(ctx context.Context) (*Choice, error) {
	if _, err := makeTPM(ctx, p.o.Device, p.tpm, nil, p.o.Now()); err != nil {
		return nil, err
	}
	return p.withTPM(ctx)
}

func (p places) took(t *TPM) *Choice { return &Choice{Sealer: t, Detail: p.o.Device} }

// withTPM opens what is there. Under auto a TPM that does not answer now is waited
// for: the daemon works meanwhile as far as it can without, never with a file.
func (p places) withTPM(ctx context.Context) (*Choice, error) {
	t, err := readTPM(p.o.Device, p.tpm)
	if err != nil {
		return nil, err
	}
	c := p.took(t)
	err = t.Check(ctx)
	if err == nil {
		err = p.finish(t, c)
	} else if p.o.Kind == KindAuto {
		return c, nil // Trouble says it
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return c, nil
}

// move seals the file's key into the TPM, makes new ones beside it, and destroys the
// file. Until seal.tpm is there the machine is as it was; from then on the rest is
// done at the next start if it was not done at this one.
func (p places) move(ctx context.Context) (*Choice, error) {
	key, err := readOwn(p.key, ErrKeyFile, KeyLen, KeyLen)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if _, err := makeTPM(ctx, p.o.Device, p.tpm, key, p.o.Now()); err != nil {
		return nil, err
	}
	return p.withTPM(ctx)
}

// finish destroys the key file once the TPM has given back what was in it.
func (p places) finish(t *TPM, c *Choice) error {
	key, err := readOwn(p.key, ErrKeyFile, 0, KeyLen)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil || !t.refers(key):
		c.Detail += "; " + p.key + " is there too and is not used"
		c.Mend = "Remove " + p.key + " if nobody needs it: this machine is sealed by its TPM."
		return nil
	default:
		clear(key)
		if err := destroy(p.key); err != nil {
			return err
		}
		if err := syncDir(p.o.Dir); err != nil {
			return err //nolint:wrapcheck // Open says what for
		}
	}
	if at := t.blob.when(); !at.IsZero() {
		c.Detail += ", since " + at.UTC().Format("2006-01-02")
	}
	return nil
}
