package sallyport

import (
	"context"
	"errors"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

var errShort = errors.New("the list ended before its end")

// listing is one list on its way.
type listing struct {
	each     func(provider.Record) error
	position provider.Position
	begun    bool  // an account was handed on
	refused  error // by whoever it was handed to
}

// List implements provider.Lister. Another server is asked only while no account was
// handed on: a list that two servers gave would name who was removed in between.
func (p *Provider) List(ctx context.Context, each func(provider.Record) error) (provider.Position, error) {
	by := p.trust.Load()
	l := &listing{each: each}
	var lost lostError
	for e, more := range p.fleet.pick() {
		within := limit{}
		if more {
			within.connect = mostConnect
		}
		t := e.try(ctx, within, l.from)
		switch {
		case l.refused != nil:
			return provider.Position{}, l.refused
		case t.err == nil:
			return l.position, meaning("list accounts", p.relisted(ctx, by))
		case !t.lost || len(p.fleet.all()) < 2 || ctx.Err() != nil:
			return provider.Position{}, meaning("list accounts", t.err)
		case l.begun:
			return provider.Position{}, meaning("list accounts", &provider.AnewError{Sent: true, Err: e.says(t.err)})
		}
		lost = append(lost, e.says(t.err))
	}
	return provider.Position{}, meaning("list accounts", lost)
}

// from reads the list of one server.
func (l *listing) from(ctx context.Context, e *endpoint) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(e.p.o.Timeouts.Silence, cancel)
	defer quiet.Stop()
	req := &v1.ListIDTokensRequest{}
	if at := e.p.heard.Load(); at != nil {
		req.Position, req.History = at.Revision, historyOf(*at)
	}
	stream, err := e.directory.ListIDTokens(ctx, req)
	if err != nil {
		return err //nolint:wrapcheck // by the caller
	}
	defer func() { _ = stream.Close() }()
	done := false
	for !done && stream.Receive() {
		// The silence is the server's; what the caller does in between is not.
		quiet.Stop()
		for _, signed := range stream.Msg().GetIdTokens() {
			r, err := e.record(ctx, signed)
			if err != nil {
				return err
			}
			l.begun = true
			if l.refused = l.each(r); l.refused != nil {
				return nil
			}
		}
		done = stream.Msg().GetDone()
		if l.position, err = positionOf(stream.Msg()); err != nil {
			return err
		}
		quiet.Reset(e.p.o.Timeouts.Silence)
	}
	if !done {
		return errors.Join(provider.ErrOffline, errShort, stream.Err())
	}
	return nil
}
