package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/card"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

// cardLogins measures whole logins by a smartcard and its PIN through PAM, and takes
// off what pcscd and the card need for the very same two steps: the virtual card signs
// in no time, a real one takes as long as it takes.
func (b *bench) cardLogins(ctx context.Context) error {
	password, err := b.authTest(ctx, adaPass)
	if err != nil {
		return err
	}
	stop, fingerprint, err := b.insertCard(ctx)
	if err != nil {
		return err
	}
	defer stop()
	alone, err := b.cardAlone(ctx, fingerprint)
	if err != nil {
		return err
	}
	online, err := b.authTest(ctx, vcard.DefaultPIN)
	if err != nil {
		return err
	}
	b.row("card login online, less pcscd and the card", ms(online-alone),
		fmt.Sprintf("password login less the server's Argon2 %s; pcscd and the card %s", ms(password-argonTime(2, 19<<10)), ms(alone)))
	err = b.whileOffline(ctx, func() error {
		offline, err := b.authTest(ctx, vcard.DefaultPIN)
		b.row("card login offline, less pcscd and the card", ms(offline-alone), "pcscd and the card "+ms(alone))
		return err
	})
	if err != nil {
		return err
	}
	_, err = b.Admin(ctx, "", "account", "remove-card", ada, fmt.Sprintf("%x", fingerprint))
	return err
}

func (b *bench) authTest(ctx context.Context, answer string) (time.Duration, error) {
	return b.median(ctx, answer+"\n", "/usr/bin/sallyport", "auth-test", ada, "--service", "login")
}

// insertCard starts pcscd on the machine and puts a card of ada's into its reader.
func (b *bench) insertCard(ctx context.Context) (stop func(), fingerprint []byte, err error) {
	if err := vcard.CheckAlone(); err != nil {
		return nil, nil, fmt.Errorf("card: %w", err)
	}
	c := vcard.New()
	now := time.Now()
	cert, err := c.Put(vcard.Authentication, vcard.Key{Algorithm: vcard.P256, PIN: vcard.PINOnce, Touch: vcard.TouchNever}, ada, now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		return nil, nil, fmt.Errorf("card: %w", err)
	}
	const file = "/root/card.der"
	for name, text := range map[string]string{"/etc/reader.conf.d/vpcd": vcard.ReaderConf, file: string(cert.Raw)} {
		if err := b.WriteFile(name, text, 0o644); err != nil {
			return nil, nil, err
		}
	}
	if _, err := b.Admin(ctx, "", "account", "add-card", ada, file); err != nil {
		return nil, nil, err
	}
	if _, err := b.Script(ctx, `mkdir -p /run/pcscd; rm -f /run/pcscd/*`); err != nil {
		return nil, nil, err
	}
	pcscd, err := b.Start(ctx, "/usr/sbin/pcscd", vcard.Arguments()...)
	if err != nil {
		return nil, nil, err
	}
	var in *vcard.Inserted
	stop = func() {
		if in != nil {
			in.Remove()
		}
		pcscd.Kill()
	}
	err = b.Eventually(ctx, func() error {
		if in == nil {
			var err error
			if in, err = c.Insert(0); err != nil {
				return fmt.Errorf("card: %w", err)
			}
		}
		out, err := b.RunAs(ctx, ada, "sallyport card")
		if err == nil && !strings.Contains(out.Screen, ": yours") {
			err = fmt.Errorf("sallyport card says %s", out.Screen)
		}
		return err
	})
	if err != nil {
		stop()
		return nil, nil, err
	}
	return stop, identity.CardFingerprint(cert.Raw), nil
}

// cardAlone is what a login has the card do, without a login around it.
func (b *bench) cardAlone(ctx context.Context, fingerprint []byte) (time.Duration, error) {
	if err := os.Setenv("PCSCLITE_CSOCK_NAME", filepath.Join(b.Root, "/run/pcscd/pcscd.comm")); err != nil {
		return 0, fmt.Errorf("card: %w", err)
	}
	const limit = 10 * time.Second
	s := card.New(card.Options{Log: slog.New(slog.DiscardHandler), Timeout: limit, Touch: limit, Busy: limit})
	var all []time.Duration
	for range b.runs {
		begin := time.Now()
		seen, err := s.Find(ctx, identity.CardsWanted{Live: [][]byte{fingerprint}})
		if err != nil {
			return 0, fmt.Errorf("card: %w", err)
		}
		challenge := identity.CardChallenge{Realm: "example", Service: "login"}
		if _, err := s.Sign(ctx, seen, identity.NewSecret([]byte(vcard.DefaultPIN)), challenge, func() {}); err != nil {
			return 0, fmt.Errorf("card: %w", err)
		}
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}
