package config

import (
	"reflect"
	"slices"
	"strings"
)

// nearest finds the key that was probably meant: one at most two edits away
// among those that are known in the same table.
func nearest(key []string) string {
	t := reflect.TypeFor[Config]()
	for _, part := range key[:len(key)-1] {
		if t.Kind() == reflect.Map { // whatever the part is called
			t = t.Elem()
			continue
		}
		f, ok := byTag(t, part)
		if !ok {
			return ""
		}
		t = f.Type
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct && t.Kind() != reflect.Map {
			return ""
		}
	}
	if t.Kind() != reflect.Struct {
		return ""
	}
	typed, best, distance := key[len(key)-1], "", 3
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("toml")
		if d := edits(strings.ToLower(typed), tag); d < distance {
			best, distance = tag, d
		}
	}
	return best
}

func byTag(t reflect.Type, tag string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("toml") == tag {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{cost, row[j] + 1, row[j+1] + 1})
		}
	}
	return row[len(b)]
}
