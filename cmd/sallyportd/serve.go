package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport-auth/sallyport/card"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/daemon/hostcert"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
	"github.com/sallyport-auth/sallyport/pam"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/wire"
)

// serve opens everything, serves until the context ends, and closes it again.
func serve(ctx context.Context, c *config.Config, from doors, log *slog.Logger) error {
	// Before any socket is touched: they may be those of a daemon that runs.
	alone, err := wire.Alone(c.Paths.State)
	if err != nil {
		return inUse(err)
	}
	defer alone.Close() //nolint:errcheck // the process ends
	socks, err := listen(c.Paths.Run, from, log)
	if err != nil {
		return inUse(err)
	}
	sealed := openSeal(ctx, c, log)
	defer sealed.Close() //nolint:errcheck // the process ends
	var cards *card.Service
	if c.Cards.Enabled {
		cards = card.New(card.Options{
			Log: log, Timeout: time.Duration(c.Cards.Timeout), Touch: time.Duration(c.Cards.Touch), Busy: time.Duration(c.Cards.Busy),
		})
	}
	d := daemon.NewRealms()
	sources, closer, err := openRealms(ctx, c, cards, daemon.Options{
		Log: log, Sealer: sealed.Sealer, SealDetail: sealed.Detail, SealMend: sealed.Mend, Realms: d, Machine: c.Machine.ID, Version: version,
		SubIDList:   filepath.Join(c.Paths.State, "subids"),
		SessionFile: filepath.Join(c.Paths.State, "sessions"), EndedList: filepath.Join(c.Paths.State, "ended-sessions"),
	})
	if err != nil {
		return err
	}
	defer closer()
	watching := newMonitor(d)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.Run(ctx) })
	g.Go(func() error {
		s := &nss.Server{Directory: d, Keys: d, SubIDs: d, Log: log, Self: int32(os.Getpid()), Deadline: time.Duration(c.Lookup.Timeout)} //nolint:gosec // the kernel's process ids are 22 bits
		return s.Serve(ctx, socks.lookup)
	})
	g.Go(func() error { return publisher(c, d, log).Run(ctx) })
	g.Go(func() error {
		s := &pam.Server{Authority: counted{d, watching}, Log: log, PromptTimeout: time.Duration(c.PAM.PromptTimeout)}
		return s.Serve(ctx, socks.pam...)
	})
	g.Go(func() error { return (&control.Server{Operator: d, Log: log}).Serve(ctx, socks.control) })
	g.Go(func() error { return watchdog(ctx, log) })
	if k := hostCertificates(c, sources, log); k != nil {
		g.Go(func() error {
			k.Run(ctx)
			return nil
		})
	}
	g.Go(func() error {
		watching.serve(ctx, c.Metrics.Listen, log)
		return nil
	})
	log.Info("sallyportd serves", "version", version, "realm", c.Providers[0].Realm, "run", c.Paths.Run)
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// hostCertificates are of the first realm that could make some: sshd shows one for each key.
func hostCertificates(c *config.Config, sources []provider.Source, log *slog.Logger) *hostcert.Keeper {
	for _, s := range sources {
		if s.Requester == nil || s.SSHTrust == nil {
			continue
		}
		return &hostcert.Keeper{
			Certify: s.Requester.CertifyHosts, Keys: "/etc/ssh", Folder: filepath.Join(c.Paths.State, "ssh"), Now: time.Now, Log: log,
			Authorities: func() [][]byte {
				_, hosts := s.SSHTrust.SSHAuthorities()
				return hosts
			},
		}
	}
	return nil
}

// inUse says what to do about a daemon that runs already.
func inUse(err error) error {
	if errors.Is(err, wire.ErrInUse) {
		return fmt.Errorf("sallyportd is already running, so this one ends and has changed nothing: %w; "+
			"\"systemctl status sallyportd\" shows it, \"systemctl restart sallyportd\" starts it anew", err)
	}
	return err
}

// publisher keeps the file that programs read names from.
func publisher(c *config.Config, d *daemon.Realms, log *slog.Logger) *nss.Publisher {
	said := report.Directory{Path: nss.Path(c.Paths.Directory)}
	var of identity.Revisions // that the file in force was made of
	return &nss.Publisher{
		Source: d, Dir: c.Paths.Directory, Realms: realmsOf(c), Aliases: c.Directory.Aliases, Log: log,
		Published: func(p nss.Published) {
			said.LastError = ""
			if p.Err != nil {
				said.LastError = p.Err.Error()
			} else {
				of = p.Of
				said.Written, said.TookMillis = &p.At, float64(p.Took.Microseconds())/1000
				said.Accounts, said.Groups, said.Size = p.Stats.Accounts, p.Stats.Groups, p.Stats.Size
			}
			d.SetPublished(of, said)
		},
	}
}

func realmsOf(c *config.Config) []snapshot.Realm {
	var list []snapshot.Realm
	for _, p := range c.Providers {
		list = append(list, snapshot.Realm{Name: p.Realm, QualifiedUsers: p.UserName.Qualified(), QualifiedGroups: p.GroupName.Qualified()})
	}
	return list
}

func policyOf(c *config.Config, p *config.Provider) policy.Policy {
	everybody, groups := c.Login.Allowed(p.Realm)
	return policy.Policy{
		AllowAll:      everybody,
		AllowGroups:   groups,
		IDs:           c.IDRanges(p),
		Reserved:      c.Names.Reserved,
		LookupTimeout: time.Duration(c.Lookup.Timeout),
		ServerTimeout: time.Duration(p.Timeout),
		OfflineMax:    time.Duration(c.Offline.MaxAge),
		OfflineTries:  c.Offline.Tries,
		RefreshEvery:  time.Duration(c.Lookup.Refresh),
		FailDelay:     time.Duration(c.Login.FailDelay),
		RemoteReasons: c.Login.RemoteReasons,
		KeepNames:     time.Duration(c.Directory.Keep),
		Aliases:       c.Directory.Aliases,

		QualifiedUsers:  p.UserName.Qualified(),
		QualifiedGroups: p.GroupName.Qualified(),

		SubIDs:      identity.IDRange(c.SubIDs.Range),
		LocalGroups: c.Groups.Of(p.Realm),
		Services:    services(c, p.Realm),
	}
}

func services(c *config.Config, realm string) map[string]policy.Service {
	all := make(map[string]policy.Service)
	for name, s := range c.Services() {
		all[name] = policy.Service{
			StepUp: *s.StepUp, MaxAge: time.Duration(*s.MaxAge), WholeSession: s.Scope.String() == config.ScopeSession, Require: s.Groups(realm), Factors: s.Kinds(),
			Points: *s.Points, TrustedUsers: s.Trusted, NoCards: !*s.Cards,
			DueByKey: map[string]policy.DueByKey{config.DueLetIn: policy.DueLetsIn, config.DueAsk: policy.DueAsks, config.DueRefuse: policy.DueRefuses}[s.DueWithKey.String()],
		}
	}
	return all
}
