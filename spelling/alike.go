package spelling

import (
	"slices"
	"strings"
	"unicode"
)

// Alike tells whether two different names look the same at a glance or in some typeface: by
// the letters and digits of ASCII, which names of accounts and realms are made of, and by
// letters of other scripts that are drawn like those. Labels of the form xn-- are decoded.
func Alike(a, b string) bool { return a != b && look(Decoded(a)) == look(Decoded(b)) }

func look(name string) string {
	name = strings.Map(func(r rune) rune {
		if drawn, is := drawnLike[r]; is {
			return drawn
		}
		return r
	}, strings.ToLower(name))
	return strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "0", "o", "1", "l", "i", "l", "|", "l", "5", "s", "-", "_").Replace(name)
}

// drawnLike are small letters of other scripts that most typefaces draw like one of ASCII
// (Unicode Technical Standard 39 has them all).
var drawnLike = map[rune]rune{ //nolint:gochecknoglobals // a table
	'а': 'a', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'һ': 'h', 'і': 'i', 'ј': 'j', 'ӏ': 'l', 'о': 'o', 'р': 'p', 'ԛ': 'q', 'ѕ': 's', 'у': 'y', 'ԝ': 'w', 'х': 'x', // Cyrillic
	'α': 'a', 'ι': 'i', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'υ': 'u', 'χ': 'x', // Greek
	'ı': 'i', 'ɑ': 'a', 'ɡ': 'g', // Latin
}

// Scripts are those of the letters of a name that are not of ASCII, such as Cyrillic; labels of
// the form xn-- are decoded first. What is no letter of a script is "Common".
func Scripts(name string) (scripts []string) {
	for _, r := range Decoded(name) {
		if r <= unicode.MaxASCII {
			continue
		}
		of := "Common"
		for script, table := range unicode.Scripts {
			if unicode.Is(table, r) {
				of = script
			}
		}
		if !slices.Contains(scripts, of) {
			scripts = append(scripts, of)
		}
	}
	return scripts
}

// Decoded is a name as people read it: labels of the form xn-- (RFC 5890) hold letters that are
// not of ASCII. One that holds none stays.
func Decoded(name string) string {
	labels := strings.Split(name, ".")
	for i, l := range labels {
		if coded, is := strings.CutPrefix(strings.ToLower(l), "xn--"); is {
			if text, ok := punycode(coded); ok {
				labels[i] = text
			}
		}
	}
	return strings.Join(labels, ".")
}

// punycode decodes a label as RFC 3492 has it, section 6.2.
func punycode(coded string) (string, bool) {
	const base, tMin, tMax, skew, damp, most = 36, 1, 26, 38, 700, 1 << 40
	var out []rune
	if at := strings.LastIndexByte(coded, '-'); at >= 0 {
		out, coded = []rune(coded[:at]), coded[at+1:]
	}
	n, at, bias := 128, 0, 72
	for len(coded) > 0 {
		before, weight := at, 1
		for k := base; ; k += base {
			if coded == "" {
				return "", false
			}
			digit := strings.IndexByte("abcdefghijklmnopqrstuvwxyz0123456789", coded[0])
			coded = coded[1:]
			if digit < 0 || digit > (most-at)/weight {
				return "", false
			}
			at += digit * weight
			t := min(max(k-bias, tMin), tMax)
			if digit < t {
				break
			}
			if weight *= base - t; weight > most {
				return "", false
			}
		}
		count := len(out) + 1
		delta := (at - before) / 2
		if before == 0 {
			delta = (at - before) / damp
		}
		delta += delta / count
		steps := 0
		for ; delta > (base-tMin)*tMax/2; steps += base {
			delta /= base - tMin
		}
		bias = steps + (base-tMin+1)*delta/(delta+skew)
		if n += at / count; n > unicode.MaxRune {
			return "", false
		}
		at %= count
		out = slices.Insert(out, at, rune(n)) //nolint:gosec // bounded above
		at++
	}
	return string(out), true
}
