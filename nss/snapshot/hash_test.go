package snapshot

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/hashes.txt anew")

const vectorsFile = "testdata/hashes.txt"

// The seeds and lengths that the vectors cover: every tail of the loop.
func vectorLines() []string {
	text := make([]byte, 200)
	for i := range text {
		text[i] = byte(i*37 + 11)
	}
	var lines []string
	for _, seed := range [][2]uint64{{0, 0}, {1, 2}, {0x0123456789abcdef, 0xfedcba9876543210}, {^uint64(0), ^uint64(0)}} {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 64, 65, 100, 200} {
			in := "-"
			if n > 0 {
				in = hex.EncodeToString(text[:n])
			}
			lines = append(lines, fmt.Sprintf("%016x %016x %s %016x", seed[0], seed[1], in, hash(seed[0], seed[1], text[:n])))
		}
		for _, id := range []uint32{0, 1, 70001, 0x7fffffff, 0xffffffff} {
			lines = append(lines, fmt.Sprintf("%016x %016x id:%d %016x", seed[0], seed[1], id, hashID(seed, id)))
		}
	}
	return lines
}

// The file is for little-endian machines; on others the hash of the same bytes is
// another, and the test is of nothing.
func TestTheHashIsThatOfTheVectors(t *testing.T) {
	if native.Uint16([]byte{1, 0}) != 1 {
		t.Log("a big-endian machine: no vectors")
		return
	}
	lines := vectorLines()
	if *update {
		head := "# seed0 seed1 input hash: bytes in hexadecimal (\"-\": none), or id:NUMBER. Little-endian machines.\n"
		if err := os.WriteFile(vectorsFile, []byte(head+strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	n := 0
	for s.Scan() {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		if n >= len(lines) || s.Text() != lines[n] {
			t.Fatalf("vector %d is %q", n, s.Text())
		}
		n++
	}
	if n != len(lines) {
		t.Errorf("%d vectors of %d", n, len(lines))
	}
}

func TestHashesOfLikeNamesSpreadOverLines(t *testing.T) {
	const names, lines = 100000, 18182
	full := make([]int, lines)
	for i := range names {
		h := hashName([2]uint64{3, 4}, fmt.Appendf(nil, "user%d", i))
		full[(h>>32)*lines>>32]++
	}
	worst, spilled := 0, 0
	for _, n := range full {
		worst = max(worst, n)
		spilled += max(0, n-pairs)
	}
	// Poisson with a mean of 5.5: more than 23 in one of 18,182 lines is one chance
	// in ten thousand; about 7 in a hundred find their line full.
	if worst > 23 || spilled > names/11 {
		t.Errorf("worst line has %d, %d of %d spill", worst, spilled, names)
	}
}
