package config

import (
	"reflect"

	"github.com/sallyport-auth/sallyport/spelling"
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
	var known []string
	for _, f := range reflect.VisibleFields(t) {
		if tag := f.Tag.Get("toml"); tag != "" {
			known = append(known, tag)
		}
	}
	return spelling.Nearest(key[len(key)-1], known)
}

func byTag(t reflect.Type, tag string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("toml") == tag {
			return f, true
		}
	}
	return reflect.StructField{}, false
}
