package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const second = "bob" // who approves

// hops has two more machines: a bastion, and a target behind it.
func hops(ctx context.Context, r *machine.Realm) error {
	for _, c := range []struct {
		input string
		words string
	}{
		{"", "account add " + second},
		{password, "account set-password " + second},
		{"", "group add approvers"},
		{"", "group add-member approvers " + second},
	} {
		if _, err := r.Admin(ctx, c.input, strings.Fields(c.words)...); err != nil {
			return err
		}
	}
	say("two hosts join, each with an address and an sshd of its own: bastion and target")
	n, err := r.Connect(ctx, "bastion", "target")
	if err == nil {
		err = approved(ctx, n)
	}
	if err == nil {
		err = chained(ctx, n)
	}
	return errors.Join(err, n.Disconnect(ctx))
}

// rule is the words of a rule.
type rule string

func (s rule) add(ctx context.Context, n *machine.Network) error {
	say("$ sallyport-server rule add %s", string(s))
	_, err := n.Admin(ctx, "", append([]string{"rule", "add"}, strings.Fields(string(s))...)...)
	return err
}

// approved is a hop that a second person approves.
func approved(ctx context.Context, n *machine.Network) error {
	if err := rule("asked --who admins --machines target --role login --effect approve --approvers approvers").add(ctx, n); err != nil {
		return err
	}
	type outcome struct {
		machine.Outcome
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		o, err := n.TalkAs(ctx, name, nil, "sallyport ssh --reason 'the disk is full' target "+machine.WhereWho)
		done <- outcome{o, err}
	}()
	err := n.Eventually(ctx, func() error {
		out, err := n.Admin(ctx, "", "request", "list", "--state", "waiting")
		if err == nil && !strings.Contains(out, "target") {
			err = errors.New("no request waits")
		}
		return err
	})
	if err != nil {
		return err
	}
	o, err := n.TalkAs(ctx, second, []string{"Password: ", password, "Password: ", password},
		`sallyport requests > /tmp/requests; cat /tmp/requests; sallyport approve $(sed -n 's/^  *\([0-9a-f-]\{36\}\) .*/\1/p' /tmp/requests)`)
	say("%s, at the same machine:", second)
	show("$ sallyport requests; sallyport approve ID\n" + o.Screen)
	if err != nil || !strings.Contains(o.Screen, "granted") {
		return errors.Join(errors.New("it was not approved"), err)
	}
	got := <-done
	say("%s, who has waited:", name)
	show("$ sallyport ssh --reason 'the disk is full' target\n" + got.Screen)
	return at(got.Outcome, got.err, "target")
}

func at(o machine.Outcome, err error, host string) error {
	if err == nil && !strings.Contains(o.Screen, "I am "+name+" at "+host) {
		err = fmt.Errorf("%s is not at %s", name, host)
	}
	return err
}

// chained is a chain of jumps, and three ways round it by what was granted for it.
func chained(ctx context.Context, n *machine.Network) error {
	if err := rule("through --who admins --machines bastion --role pass --effect grant").add(ctx, n); err != nil {
		return err
	}
	if err := rule("behind --who admins --machines target --role login --effect grant --before asked").add(ctx, n); err != nil {
		return err
	}
	o, err := n.TalkAs(ctx, name, nil, "sallyport ssh -J bastion target "+machine.WhereWho)
	show("$ sallyport ssh -J bastion target\n" + o.Screen)
	if err := at(o, err, "target"); err != nil {
		return err
	}
	say("%s keeps what ssh was run with, and goes other ways:", name)
	o, err = n.TalkAs(ctx, name, nil, `sallyport ssh -J bastion target 'sleep 1000' & held=$!
trap 'kill $held' EXIT
until d=$(ls -d /tmp/sallyport-ssh-* 2>/dev/null) && [ -s "$d/config" ]; do kill -0 $held || exit; sleep 0.1; done
way() { echo "$1:"; shift; if timeout 20 ssh -o BatchMode=yes -F $d/config "$@" </dev/null; then echo "  through"; else echo "  refused"; fi; }
way "round the bastion" -o ProxyJump=none target true
way "a command at the bastion" bastion true
way "somewhere else through the bastion" -W 10.9.0.1:22 bastion`)
	show(o.Screen)
	if err == nil && (strings.Count(o.Screen, "refused") < 3 || strings.Contains(o.Screen, "through\n") || strings.Contains(o.Screen, "through\r")) {
		err = errors.New("a way round the chain is open")
	}
	return err
}
