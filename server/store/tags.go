package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Tags are words that machines are told apart by: each is written as a short name is,
// "web" or "eu-west". They say nothing about what a machine may do.
type Tags []identity.Name

// MaxTags is how many a machine may have.
const MaxTags = 16

// ParseTags sorts them and leaves out what is there twice.
func ParseTags(words []string) (Tags, error) {
	var tags Tags
	for _, w := range words {
		tag, err := identity.ParseShortName(w)
		if err != nil {
			return nil, fmt.Errorf("tag: %w", err)
		}
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	if len(tags) > MaxTags {
		return nil, fmt.Errorf("%w: %d tags, and %d is the most", ErrTags, len(tags), MaxTags)
	}
	return tags, nil
}

// Strings are the words.
func (t Tags) Strings() []string {
	words := make([]string, len(t))
	for i, tag := range t {
		words[i] = string(tag)
	}
	return words
}

func (t Tags) stored() string { return strings.Join(t.Strings(), " ") }

func storedTags(s string) Tags {
	var t Tags
	for _, w := range strings.Fields(s) {
		t = append(t, identity.Name(w))
	}
	return t
}

// SetTags gives a machine these tags in place of those that it has.
func (t *Tx) SetTags(machine uuid.UUID, tags Tags) error {
	return t.one(`UPDATE machines SET tags = ? WHERE uuid = ?`, tags.stored(), machine)
}
