package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
)

// atOnce is how many connect at once.
const atOnce = 32

// fleet is a process full of machines.
type fleet struct {
	url  string
	keys []ed25519.PrivateKey
	// heard is when each machine heard of a change first, since it was cleared.
	heard []atomic.Int64
	// ended counts streams that are over.
	ended atomic.Int64
	held  []any // what must not be collected
}

// beMachines does as it is told: "tls N", "h2 N" and "watch N" connect, "clear" and "heard"
// measure a change, "load KIND SECONDS" makes requests.
func beMachines(ctx context.Context, url, folder string) error {
	f := &fleet{url: url}
	seeds, err := os.ReadFile(filepath.Join(folder, keysFile))
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	for seed := range slices.Chunk(seeds, ed25519.SeedSize) {
		f.keys = append(f.keys, ed25519.NewKeyFromSeed(seed))
	}
	f.heard = make([]atomic.Int64, len(f.keys))
	return answers(func(words []string) (any, error) {
		switch words[0] {
		case "clear":
			for i := range f.heard {
				f.heard[i].Store(0)
			}
			return f.ended.Load(), nil
		case "heard":
			return f.times(words[1])
		case "load":
			return f.load(ctx, words[1], words[2])
		case "list":
			i, err := strconv.Atoi(words[1])
			if err != nil {
				return nil, fmt.Errorf("list: %w", err)
			}
			return f.list(ctx, i)
		default:
			return f.connect(ctx, words[0], words[1])
		}
	})
}

// connect makes connections and tells how long that took.
func (f *fleet) connect(ctx context.Context, kind, count string) (any, error) {
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	began := time.Now()
	each := map[string]func(context.Context, int) (any, error){"tls": f.tls, "h2": f.h2, "watch": f.watch}[kind]
	f.held = make([]any, n)
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() (err error) {
			f.held[i], err = each(ctx, i)
			return err
		})
	}
	return time.Since(began), g.Wait()
}

// config is of a machine that looks at no certificate of the server.
func (f *fleet) config(i int) (*tls.Config, error) {
	cert, err := certificate(f.keys[i])
	return &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}, err
}

func (f *fleet) tls(ctx context.Context, i int) (any, error) {
	config, err := f.config(i)
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", strings.TrimPrefix(f.url, "https://")) //nolint:wrapcheck // a measurement
}

func (f *fleet) client(i int) (*http.Client, error) {
	config, err := f.config(i)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, ReadBufferSize: 4096}}, err
}

func (f *fleet) h2(ctx context.Context, i int) (any, error) {
	c, err := f.client(i)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("h2: %w", err)
	}
	resp, err := c.Do(req) //nolint:bodyclose // it is held open as long as the process lives
	if err != nil {
		return nil, fmt.Errorf("h2: %w", err)
	}
	if resp.ProtoMajor != 2 {
		return nil, errors.New("not HTTP/2")
	}
	go func() { _, _ = io.Copy(io.Discard, resp.Body); f.ended.Add(1) }()
	return resp, nil
}

func (f *fleet) watch(ctx context.Context, i int) (any, error) {
	c, err := f.client(i)
	if err != nil {
		return nil, err
	}
	d := sallyportv1connect.NewDirectoryServiceClient(withForms{c}, f.url)
	list, err := d.ListIDTokens(ctx, &v1.ListIDTokensRequest{})
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	at := &v1.ListIDTokensResponse{}
	for list.Receive() {
		at = list.Msg()
	}
	if err := errors.Join(list.Err(), list.Close()); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	c.CloseIdleConnections() // as a machine does after a while; the stream has its own
	if c, err = f.client(i); err != nil {
		return nil, err
	}
	d = sallyportv1connect.NewDirectoryServiceClient(withForms{c}, f.url)
	s, err := d.Watch(ctx, &v1.WatchRequest{Position: at.GetPosition(), History: at.GetHistory(), Version: "bench", Patience: 30})
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	for s.Receive() {
		if s.Msg().GetCaughtUp() != nil {
			go f.listen(s, i)
			return s, nil
		}
	}
	return nil, fmt.Errorf("watch: %w", errors.Join(errors.New("the stream ended at once"), s.Err()))
}

func (f *fleet) listen(s *connect.ServerStreamForClient[v1.WatchResponse], i int) {
	for s.Receive() {
		if s.Msg().GetChanged() != nil {
			f.heard[i].CompareAndSwap(0, time.Now().UnixNano())
		}
	}
	f.ended.Add(1)
}

// times waits until so many machines have heard of the change, and tells when each did.
func (f *fleet) times(count string) (any, error) {
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, fmt.Errorf("heard: %w", err)
	}
	var times []int64
	for end := time.Now().Add(time.Minute); len(times) < n; {
		if time.Now().After(end) {
			return nil, fmt.Errorf("%d of %d machines heard of a change within a minute, %d streams ended", len(times), n, f.ended.Load())
		}
		time.Sleep(20 * time.Millisecond)
		times = times[:0]
		for i := range f.heard {
			if at := f.heard[i].Load(); at != 0 {
				times = append(times, at)
			}
		}
	}
	slices.Sort(times)
	return times, nil
}

// withForms says which forms of tokens a machine understands.
type withForms struct{ c *http.Client }

func (w withForms) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Sallyport-Forms", "2")
	return w.c.Do(r) //nolint:wrapcheck // a client's own
}
