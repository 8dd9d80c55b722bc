package admin_test

import (
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

func TestWhatCannotBeATokenDoesNotBecomeAnAccount(t *testing.T) {
	b := servertest.New(t)
	zero, low := uint32(0), uint32(999)
	for sentence, req := range map[string]*v1.AddAccountRequest{
		"upper case":             {Name: "Eve"},
		"a slash":                {Name: "../eve"},
		"a colon in the name":    {Name: "e:ve"},
		"uid zero":               {Name: "eve", Uid: &zero},
		"a system uid":           {Name: "eve", Uid: &low},
		"a colon in the gecos":   {Name: "eve", FullName: "a:b"},
		"a newline in the shell": {Name: "eve", Shell: "/bin/sh\nroot"},
		"a relative home":        {Name: "eve", Home: "home"},
		"a name that is taken":   {Name: "alice"},
	} {
		if _, err := b.Admin.AddAccount(t.Context(), req); err == nil {
			t.Errorf("%s was accepted", sentence)
		}
	}
}
