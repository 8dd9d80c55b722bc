package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// grace has a one-time code generator, and is in a group that demands a code of it.
const grace = "grace"

const whoIAm = `su - ` + grace + ` -c 'echo "I am $(id -un) with $(id -Gn)"'`

// earn lets grace in by password and code, and root become her by neither.
func earn(ctx context.Context, r *machine.Realm) error {
	secret, err := newcomer(ctx, r)
	if err != nil {
		return err
	}
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		return fmt.Errorf("one-time code: %w", err)
	}
	o, err := r.TalkAs(ctx, local, []string{"assword: ", password, "One-time code: ", code}, whoIAm)
	if err := expect(o, err, true, grace); err != nil {
		return err
	}
	if !strings.Contains(o.Screen, "vault") {
		return errors.New("a password and a code have not earned the group vault")
	}
	say("✓ this session is in the group vault, which demands a one-time code")
	out, err := r.Script(ctx, whoIAm)
	show("# " + whoIAm + "\n" + out)
	if err != nil {
		return err
	}
	if strings.Contains(out, "vault") {
		return errors.New("root became grace, and is in the group vault")
	}
	say("✓ and one that root began without any proof is not")
	return nil
}

// newcomer adds her and the group, and waits until this machine knows both.
func newcomer(ctx context.Context, r *machine.Realm) (secret string, err error) {
	var made struct {
		URL string `json:"otpauth_url"`
	}
	for _, c := range []struct {
		input string
		words []string
	}{
		{"", []string{"account", "add", grace, "--full-name", "Grace Hopper"}},
		{password, []string{"account", "set-password", grace}},
		{"", []string{"group", "add", "vault", "--demands", "totp", "--earned"}},
		{"", []string{"group", "add-member", "vault", grace}},
		{"", []string{"account", "add-totp", grace, "--generate", "--json"}},
	} {
		out, err := r.Admin(ctx, c.input, c.words...)
		if err != nil {
			return "", err
		}
		say("$ sallyport-server %s", strings.Join(c.words, " "))
		_ = json.Unmarshal([]byte(out), &made) // what is no JSON has no secret
	}
	u, err := url.Parse(made.URL)
	if err != nil {
		return "", fmt.Errorf("account add-totp: %w", err)
	}
	if secret = u.Query().Get("secret"); secret == "" {
		return "", errors.New("account add-totp printed no secret")
	}
	return secret, r.Eventually(ctx, func() error {
		out, err := r.Run(ctx, "/usr/bin/sallyport", "explain", grace, "--json")
		if err != nil {
			return err
		}
		if !strings.Contains(out, `"totp"`) {
			return fmt.Errorf("explain says %s", out)
		}
		_, err = r.Run(ctx, "/usr/bin/getent", "group", "vault")
		return err
	})
}
