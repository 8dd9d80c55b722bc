package identity

import "github.com/fxamacker/cbor/v2"

// encode is CBOR (RFC 8949), core deterministic encoding.
func encode(v any) ([]byte, error) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err //nolint:wrapcheck // by the callers
	}
	return enc.Marshal(v) //nolint:wrapcheck // by the callers
}

// decode refuses keys that come twice and anything behind the end. A field that it does
// not know is left out: a newer program may say more, see [ErrNewer].
func decode(b []byte, into any) error {
	dec, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxArrayElements: 1 << 16,
	}.DecMode()
	if err != nil {
		return err //nolint:wrapcheck // by the callers
	}
	return dec.Unmarshal(b, into) //nolint:wrapcheck // by the callers
}
