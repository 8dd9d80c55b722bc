package vcard

// tlv is one BER object of a one-byte tag.
func tlv(tag byte, parts ...[]byte) []byte {
	var value []byte
	for _, p := range parts {
		value = append(value, p...)
	}
	n := len(value)
	b := []byte{tag}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	return append(b, value...)
}

// cut takes the first object off b.
func cut(b []byte) (tag byte, value, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, nil, false
	}
	tag, n, at := b[0], int(b[1]), 2
	switch {
	case n == 0x81 && len(b) >= 3:
		n, at = int(b[2]), 3
	case n == 0x82 && len(b) >= 4:
		n, at = int(b[2])<<8|int(b[3]), 4
	case n >= 0x80:
		return 0, nil, nil, false
	}
	if len(b)-at < n {
		return 0, nil, nil, false
	}
	return tag, b[at : at+n], b[at+n:], true
}

// find is the value of the first object of that tag.
func find(b []byte, want byte) ([]byte, bool) {
	for len(b) > 0 {
		tag, value, rest, ok := cut(b)
		if !ok {
			return nil, false
		}
		if tag == want {
			return value, true
		}
		b = rest
	}
	return nil, false
}
