package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/metrics"
	"github.com/sallyport-auth/sallyport/pam"
	"github.com/sallyport-auth/sallyport/report"
)

// monitor answers monitoring at that address, if there is one. It is no part of the door:
// where it cannot listen, the daemon goes on without it.
type monitor struct {
	numbers   *prometheus.Registry
	standing  standing
	decisions *prometheus.CounterVec
}

func newMonitor(o control.Operator) *monitor {
	m := &monitor{metrics.New(), newStanding(o), prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sallyport_decisions_total", Help: "Questions of PAM, by the call and by what was answered.",
	}, []string{"operation", "verdict"})}
	m.numbers.MustRegister(m.decisions, m.standing)
	return m
}

func (m *monitor) serve(ctx context.Context, address string, log *slog.Logger) {
	if address == "" {
		return
	}
	l, err := metrics.Listen(ctx, address)
	if err == nil {
		err = metrics.Serve(ctx, l, m.numbers, m.standing.ready)
	}
	if err != nil {
		log.Error("monitoring is not answered; people are let in all the same", "error", err)
	}
}

func soundMetrics(c *config.Config) error {
	if c.Metrics.Listen == "" {
		return nil
	}
	if err := metrics.CheckAddress(c.Metrics.Listen); err != nil {
		return fmt.Errorf("[metrics] listen: %w", err)
	}
	return nil
}

// counted counts what an authority decides.
type counted struct {
	pam.Authority
	monitor *monitor
}

// Decide implements pam.Authority.
func (c counted) Decide(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict {
	v := c.Authority.Decide(ctx, l, conv)
	c.monitor.decisions.WithLabelValues(l.Operation.String(), v.Code.String()).Inc()
	return v
}

// nobody asks for what anybody may ask for.
const nobody = 65534

// standing are the numbers of "sallyport status", read when they are asked for.
type standing struct {
	operator                                     control.Operator
	online, contact, servers, accounts, findings *prometheus.Desc
}

func newStanding(o control.Operator) standing {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sallyport_"+name, help, labels, nil)
	}
	return standing{
		operator: o,
		online:   desc("realm_online", "1 while a server of the realm answers.", "realm"),
		contact:  desc("realm_last_contact_timestamp_seconds", "When a server of the realm answered last; absent: never.", "realm"),
		servers:  desc("realm_servers", "Servers of a realm that has several, by their state.", "realm", "state"),
		accounts: desc("accounts", "Accounts that this machine remembers."),
		findings: desc("findings", "What \"sallyport status\" lists, by its severity.", "severity"),
	}
}

var _ prometheus.Collector = standing{}

// Describe implements prometheus.Collector.
func (s standing) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.online, s.contact, s.servers, s.accounts, s.findings} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s standing) Collect(to chan<- prometheus.Metric) {
	ctx, end := context.WithTimeout(context.Background(), metrics.ReadyWithin)
	defer end()
	r, err := s.status(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(s.findings, err)
		return
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	for _, p := range r.Providers {
		online := 0.0
		if p.State == "online" {
			online = 1
		}
		gauge(s.online, online, p.Realm)
		if p.LastContact != nil {
			gauge(s.contact, float64(p.LastContact.Unix()), p.Realm)
		}
		states := make(map[string]int)
		for _, one := range p.Servers {
			states[one.State]++
		}
		for state, n := range states {
			gauge(s.servers, float64(n), p.Realm, state)
		}
	}
	gauge(s.accounts, float64(r.Cache.Accounts))
	found := map[report.Severity]int{report.Note: 0, report.Warning: 0, report.Problem: 0}
	for _, f := range r.Findings {
		found[f.Severity]++
	}
	for severity, n := range found {
		gauge(s.findings, float64(n), string(severity))
	}
}

// ready is an error where somebody cannot sign in, by the same judgement as the exit code
// of "sallyport status".
func (s standing) ready(ctx context.Context) error {
	r, err := s.status(ctx)
	if err != nil {
		return err
	}
	for _, f := range r.Findings {
		if f.Severity == report.Problem {
			return fmt.Errorf("%s: \"sallyport status\" on this machine says more", f.Check)
		}
	}
	return nil
}

func (s standing) status(ctx context.Context) (report.Status, error) {
	var r report.Status
	told := false
	err := s.operator.Handle(ctx, identity.Peer{UID: nobody, GID: nobody}, report.VerbStatus, nil, func(answer any) error {
		r, told = answer.(report.Status)
		return nil
	})
	if err == nil && !told {
		err = errors.New("status: the daemon says nothing")
	}
	return r, err //nolint:wrapcheck // it says what it is about
}
