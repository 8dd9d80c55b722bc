package realm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/store"
)

// mark is how far the server came, kept outside the realm's folder: when that is put
// back from a copy, the mark is still of later. It is a help and no more: without it a
// machine's proof shows the loss, and machines are never wrong about their position.
type mark struct {
	History  uuid.UUID `json:"history"`
	Revision uint64    `json:"revision"`
	// Term is the highest that was seen of any copy of the database.
	Term uint64    `json:"term,omitempty"`
	At   time.Time `json:"at"`
}

// markFile is where the mark of one realm in one folder lies; "" keeps none.
type markFile string

// markIn names the file by realm and folder, so that several realms share a folder.
func markIn(folder string, d Dir, realm string) (markFile, error) {
	if folder == "" {
		return "", nil
	}
	abs, err := filepath.Abs(string(d))
	if err != nil {
		return "", fmt.Errorf("mark: %w", err)
	}
	sum := sha256.Sum256([]byte(realm + "\x00" + abs))
	return markFile(filepath.Join(folder, fmt.Sprintf("%x.json", sum[:16]))), nil
}

func (f markFile) read() (m mark, err error) {
	if f == "" {
		return m, nil
	}
	b, err := os.ReadFile(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("read mark: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return mark{}, fmt.Errorf("read mark %s: %w", f, err)
	}
	return m, nil
}

func (f markFile) write(m mark) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	return replace(string(f), append(b, '\n'))
}

// KeepMarkIn has the mark kept in that folder; "" keeps none.
func (r *Realm) KeepMarkIn(folder string) (err error) {
	r.mark, err = markIn(folder, r.Dir, r.Name)
	return err
}

// KeepMark notes where the realm stands.
func (r *Realm) KeepMark(ctx context.Context) {
	if r.mark == "" {
		return
	}
	var m mark
	err := r.Store.Read(ctx, func(tx *store.Tx) error {
		h, err := tx.History()
		if err != nil {
			return err
		}
		m.History, m.At = h.ID, r.Now()
		m.Revision, err = tx.Position()
		return err
	})
	m.Term = r.terms.highest()
	if err == nil && (m.History != r.marked.History || m.Revision != r.marked.Revision || m.Term != r.marked.Term) {
		if err = r.mark.write(m); err == nil {
			r.marked = m
		}
	}
	if err != nil {
		r.Log.WarnContext(ctx, "the mark that shows a folder that was put back is not written", "error", err)
	}
}
