package module_test

import (
	"bufio"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/nss/module"
)

func hashOf(b []byte) uint64 {
	const k1, k2 = 0xD6E8FEB86659FD93, 0xA0761D6478BD642F
	return module.Hash(k1, k2, b)
}

// The same file as Go's test of its own hash.
func TestCAndGoHashAlike(t *testing.T) {
	f, err := os.Open("../snapshot/testdata/hashes.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) != 4 || strings.HasPrefix(w[0], "#") {
			continue
		}
		var v [3]uint64
		for i, text := range []string{w[0], w[1], w[3]} {
			if v[i], err = strconv.ParseUint(text, 16, 64); err != nil {
				t.Fatal(err)
			}
		}
		var got uint64
		if id, ok := strings.CutPrefix(w[2], "id:"); ok {
			number, err := strconv.ParseUint(id, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			got = module.HashID(v[0], v[1], uint32(number))
		} else {
			b, err := hex.DecodeString(strings.TrimPrefix(w[2], "-"))
			if err != nil {
				t.Fatal(err)
			}
			got = module.Hash(v[0], v[1], b)
		}
		if got != v[2] {
			t.Errorf("%s: %016x", s.Text(), got)
		}
		n++
	}
	if n < 10 {
		t.Errorf("only %d vectors", n)
	}
}
