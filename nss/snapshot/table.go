package snapshot

// table collects the entries of one hash table. The zero value is empty.
type table struct {
	hashes []uint64
	refs   []uint32
}

func (t *table) grow(n int) {
	t.hashes, t.refs = make([]uint64, 0, n), make([]uint32, 0, n)
}

func (t *table) add(hash, offset uint64) {
	t.hashes = append(t.hashes, hash)
	t.refs = append(t.refs, uint32(offset/8)) //nolint:gosec // Write refuses files of 32 GiB
}

// fill is how many of a line's seven pairs are used on average: fewer make the
// file larger, more make readers look at a second line more often.
const fill = 5.5

// lines lays the entries out, and adds the checks for a table that begins at
// offset.
func (t *table) lines(h *header, offset uint64) []byte {
	if len(t.hashes) == 0 {
		return nil
	}
	n := uint64(float64(len(t.hashes))/fill) + 1
	b := make([]byte, n*lineSize)
	used := make([]uint8, n)
	for i, hash := range t.hashes {
		at := (hash >> 32) * n >> 32
		for used[at] == pairs {
			line := b[at*lineSize:]
			native.PutUint32(line[4:], native.Uint32(line[4:])+1)
			if at++; at == n {
				at = 0
			}
		}
		pair := b[at*lineSize+8+8*uint64(used[at]):]
		native.PutUint32(pair, uint32(hash)) //nolint:gosec // its low half
		native.PutUint32(pair[4:], t.refs[i])
		used[at]++
	}
	checkLines(h, offset, b)
	return b
}

func checkLines(h *header, offset uint64, b []byte) {
	for i := 0; i < len(b); i += lineSize {
		native.PutUint32(b[i:], h.check(offset+uint64(i), b[i+4:i+lineSize]))
	}
}
