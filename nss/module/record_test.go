package module_test

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/nss/module"
)

// Every check over a record holds here: only what it says is wrong. Nothing may
// rest on the checks but the guess that the file is as it was written.
// Promise 9, snapshot-checked.
func TestARecordThatLiesAboutItselfIsNotBelieved(t *testing.T) {
	publish(t, fewPeople(), whole())
	good, err := os.ReadFile(the.path())
	if err != nil {
		t.Fatal(err)
	}
	native := binary.NativeEndian
	check := func(b []byte, at, from, n int) uint32 {
		return uint32(module.Hash(native.Uint64(b[80:])+uint64(at), native.Uint64(b[88:]), b[from:from+n]))
	}
	account, group := int(native.Uint64(good[112:])), int(native.Uint64(good[136:]))
	texts := len("alice.x.Person alice./home/alice./bin/bash.")
	lists := account + (28+texts+3)/4*4
	before := map[string]string{
		"pwnam=alice": alice, "pwuid=70001": alice, "grnam=crew": crew, "grgid=70100": crew, "groups=alice": "groups 1 0: 70100",
	}
	cases := map[string]struct {
		change func(b []byte)
		asked  string
	}{
		"nothing, of an account":        {func([]byte) {}, "pwnam=alice"},
		"nothing, of a group":           {func([]byte) {}, "grnam=crew"},
		"nothing, of a list":            {func([]byte) {}, "groups=alice"},
		"more texts than its section":   {func(b []byte) { native.PutUint16(b[account+18:], 65000) }, "pwnam=alice"},
		"texts of other lengths":        {func(b []byte) { b[account+16]++; b[account+18]-- }, "pwnam=alice"},
		"a gid of the system":           {func(b []byte) { native.PutUint32(b[account+12:], 7) }, "pwnam=alice"},
		"a colon in a full name":        {func(b []byte) { b[account+28+10] = ':' }, "pwnam=alice"},
		"a line break in a shell":       {func(b []byte) { b[account+28+texts-3] = '\n' }, "pwuid=70001"},
		"a NUL in a home directory":     {func(b []byte) { b[account+28+texts-14] = 0 }, "pwuid=70001"},
		"a home that is not a path":     {func(b []byte) { b[account+28+21] = 'h' }, "pwuid=70001"},
		"a password":                    {func(b []byte) { b[account+28+6] = '*' }, "pwuid=70001"},
		"upper case in a name":          {func(b []byte) { b[account+28] = 'A' }, "pwuid=70001"},
		"more groups than its section":  {func(b []byte) { native.PutUint16(b[account+22:], 4095) }, "groups=alice"},
		"root's group among its own":    {func(b []byte) { native.PutUint32(b[lists:], 0) }, "groups=alice"},
		"a group of the system":         {func(b []byte) { native.PutUint32(b[lists:], 27) }, "groups=alice"},
		"a group id of the system":      {func(b []byte) { native.PutUint32(b[group+8:], 27) }, "grnam=crew"},
		"more members than its section": {func(b []byte) { native.PutUint32(b[group+16:], 1<<20) }, "grnam=crew"},
		"all the members there can be":  {func(b []byte) { native.PutUint32(b[group+16:], 1<<32-1) }, "grnam=crew"},
		"more names than bytes":         {func(b []byte) { native.PutUint32(b[group+12:], 1<<31) }, "grnam=crew"},
		"fewer names than it has":       {func(b []byte) { native.PutUint32(b[group+12:], 1) }, "grnam=crew"},
		"one name more":                 {func(b []byte) { native.PutUint32(b[group+12:], 3) }, "grnam=crew"},
		"a colon in a member":           {func(b []byte) { b[group+33] = ':' }, "grnam=crew"},
		"a member without an end":       {func(b []byte) { b[group+24+8+9] = 'x' }, "grgid=70100"},
		"a member without a name":       {func(b []byte) { b[group+24+8] = 0 }, "grgid=70100"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := slices.Clone(good)
			c.change(b)
			n := int(native.Uint16(b[account+22:]))
			if lists+4*n <= len(b) {
				native.PutUint32(b[account+4:], check(b, lists, lists, 4*n))
			}
			native.PutUint32(b[account:], check(b, account, account+4, 24+texts))
			members := group + 24 + 8
			if size := int(native.Uint32(b[group+16:])); size < 100 {
				native.PutUint32(b[group+4:], check(b, members, members, size))
			}
			native.PutUint32(b[group:], check(b, group, group+4, 20+len("crew.x.")))
			both(t, func(t *testing.T, v variant) {
				place(t, b)
				w := map[bool]map[string]string{
					true:  before,
					false: {"groups=alice": "groups -1 ENOENT:"},
				}[strings.HasPrefix(name, "nothing")][c.asked]
				if w == "" {
					w = unsaid
				}
				want(t, v.ask(t, c.asked), w)
				// A check that was right is not computed again, so nothing may rest on
				// it: the file changes under a process that has read it.
				place(t, slices.Clone(good))
				s := v.start(t, c.asked, "wait", c.asked)
				s.want(before[c.asked])
				overwrite(t, b)
				s.goOn()
				s.want(w)
				s.end()
			})
		})
	}
}

// overwrite changes the file that is in place, which nobody does.
func overwrite(t *testing.T, b []byte) {
	t.Helper()
	f, err := os.OpenFile(the.path(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}
