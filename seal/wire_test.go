package seal

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"testing/iotest"
)

// teller is a TPM that answers every command with the same bytes.
type teller struct{ io.Reader }

func (teller) Write(p []byte) (int, error) { return len(p), nil }
func (teller) Close() error                { return nil }

// response has that length in its header, and that many bytes.
func response(says, has int) []byte {
	r := make([]byte, max(has, tpmHeader))
	binary.BigEndian.PutUint32(r[2:], uint32(says))
	return r[:has]
}

func TestAResponseIsReadByItsOwnLengthAlone(t *testing.T) {
	for what, c := range map[string]struct {
		says, has int
		sound     bool
	}{
		"as long as it says":      {64, 64, true},
		"a header alone":          {tpmHeader, tpmHeader, true},
		"as long as may be":       {maxResponse, maxResponse, true},
		"less than a header":      {tpmHeader - 1, tpmHeader, false},
		"no length":               {0, tpmHeader, false},
		"longer than may be":      {maxResponse + 1, maxResponse + 1, false},
		"a length without end":    {1<<32 - 1, maxResponse, false},
		"more than it says":       {64, 65, false},
		"ends too early":          {64, 63, false},
		"ends within the header":  {64, tpmHeader - 1, false},
		"nothing is said at all ": {0, 0, false},
	} {
		text := response(c.says, c.has)
		for how, r := range map[string]io.Reader{"at once": bytes.NewReader(text), "byte by byte": iotest.OneByteReader(bytes.NewReader(text))} {
			if how == "byte by byte" && c.has > c.says {
				continue // what is too much has not come yet
			}
			got, err := (&line{teller{r}}).Send([]byte("command"))
			if (err == nil) != c.sound || c.sound && !bytes.Equal(got, text) {
				t.Errorf("%s, %s: %d bytes, %v", what, how, len(got), err)
			}
		}
	}
}
