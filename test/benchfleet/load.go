package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/errgroup"

	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/proto/identity/identitypbconnect"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
)

// askers is how many ask at once: who waits for the disk leaves the processors to others.
const askers = 16

// load makes requests of a kind for some seconds and tells how many a second were answered.
func (f *fleet) load(ctx context.Context, kind, seconds string) (any, error) {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	began, end := time.Now(), time.Now().Add(time.Duration(n)*time.Second)
	var done atomic.Int64
	var g errgroup.Group
	for i := range askers {
		g.Go(func() error {
			c, err := f.client(i)
			if err != nil {
				return err
			}
			once := token(sallyportv1connect.NewDirectoryServiceClient(withForms{c}, f.url), i)
			switch kind {
			case "steps":
				once = signIn(sallyportv1connect.NewAuthenticationServiceClient(withForms{c}, f.url), i)
			case "verified":
				once = verify(identitypbconnect.NewIdentityServiceClient(c, f.url), i)
			}
			for time.Now().Before(end) {
				if err := once(ctx); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return float64(done.Load()) / time.Since(began).Seconds(), nil
}

func token(d sallyportv1connect.DirectoryServiceClient, i int) func(context.Context) error {
	name := fmt.Sprintf("u%d", i%people)
	return func(ctx context.Context) error {
		_, err := d.GetIDToken(ctx, &v1.GetIDTokenRequest{By: &v1.GetIDTokenRequest_Name{Name: name}})
		return err //nolint:wrapcheck // a measurement
	}
}

func verify(s identitypbconnect.IdentityServiceClient, i int) func(context.Context) error {
	name, token := fmt.Sprintf("u%d", i%people), deviceToken(i%people)
	return func(ctx context.Context) error {
		v, err := s.VerifyUserToken(ctx, &pb.VerifyUserTokenRequest{UserID: name, DeviceID: device, Token: token})
		if err == nil && !v.GetTokenValid() {
			err = errors.New("a right token is refused")
		}
		return err //nolint:wrapcheck // a measurement
	}
}

func signIn(a sallyportv1connect.AuthenticationServiceClient, i int) func(context.Context) error {
	name := fmt.Sprintf("u%d", i%people)
	return func(ctx context.Context) error {
		begun, err := a.Begin(ctx, &v1.BeginRequest{Name: name, Service: "bench", Origin: "host 192.0.2.1"})
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		got, err := a.Step(ctx, &v1.StepRequest{Session: begun.GetSession(), Kind: "password", Credential: []byte(password)})
		if err == nil && got.GetOutcome() != v1.Outcome_OUTCOME_ALLOW {
			err = errors.New("a right password is refused")
		}
		return err //nolint:wrapcheck // a measurement
	}
}

// hashes is how many of the server's hashes all processors make a second: what a stepped
// authentication is meant to cost.
func hashes(span time.Duration) float64 {
	began, end := time.Now(), time.Now().Add(span)
	var done atomic.Int64
	var g errgroup.Group
	for range runtime.NumCPU() {
		g.Go(func() error {
			for time.Now().Before(end) {
				argon2.IDKey([]byte(password), make([]byte, 16), 2, 19*1024, 1, 32)
				done.Add(1)
			}
			return nil
		})
	}
	_ = g.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}

func middle(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func biggest(list []float64) float64 { return slices.Max(list) }
