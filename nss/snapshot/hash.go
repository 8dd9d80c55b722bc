package snapshot

import "math/bits"

// Any odd numbers with their bits well spread would do.
const (
	k0 = 0x9E3779B97F4A7C15
	k1 = 0xD6E8FEB86659FD93
	k2 = 0xA0761D6478BD642F
)

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash is described in the package doc; the C in nss/module is the same.
func hash(s0, s1 uint64, b []byte) uint64 {
	h := s0 ^ uint64(len(b))*k0
	for len(b) > 16 {
		h = mix(native.Uint64(b)^s1, native.Uint64(b[8:])^h)
		b = b[16:]
	}
	var x, y uint64
	switch n := len(b); {
	case n >= 8:
		x, y = native.Uint64(b), native.Uint64(b[n-8:])
	case n >= 4:
		x, y = uint64(native.Uint32(b)), uint64(native.Uint32(b[n-4:]))
	case n > 0:
		x = uint64(b[0])<<16 | uint64(b[n/2])<<8 | uint64(b[n-1])
	}
	return mix(mix(x^s1, y^h)^s0^k1, k2)
}

func hashName(seed [2]uint64, name []byte) uint64 { return hash(seed[0], seed[1], name) }

func hashID(seed [2]uint64, id uint32) uint64 {
	return mix(mix(uint64(id)^seed[0], k0^seed[1])^k1, k2)
}
