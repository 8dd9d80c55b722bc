package report

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Decode reads the arguments of a verb, strictly. Its errors are [ErrVerb].
func Decode(args []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%w: arguments: %w", ErrVerb, err)
	}
	return nil
}
