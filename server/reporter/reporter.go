// Package reporter tells a full server what a server that only reads had to remember:
// failures, and time steps of codes that were used. It reads what is left to report, and
// calls ReportService of the realm's servers, one after the other, until one takes it.
package reporter

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	// reportTimeout bounds one report to one server, and reportAgain is when the next try is
	// made where none took it.
	reportTimeout = 10 * time.Second
	reportAgain   = 5 * time.Second
)

// Reporter reports for one server.
type Reporter struct {
	*realm.Realm
	told bool // that no report can be made
}

// New is for a server that only reads.
func New(r *realm.Realm) *Reporter { return &Reporter{Realm: r} }

// Run goes on until ctx ends: at once where something is left, and again where nobody took it.
func (r *Reporter) Run(ctx context.Context) {
	for ctx.Err() == nil {
		left := r.Reads().Left.Next()
		err := r.all(ctx)
		if err != nil && !r.told {
			r.Log.WarnContext(ctx, "failures and used codes of this server are not reported yet: no full server takes them", "error", err)
		}
		r.told = err != nil
		again := time.NewTimer(reportAgain)
		select {
		case <-ctx.Done():
		case <-again.C:
		case <-pick(err == nil, left):
		}
		again.Stop()
	}
}

// pick is the channel, or none.
func pick(yes bool, c <-chan struct{}) <-chan struct{} {
	if yes {
		return c
	}
	return nil
}

// all reports until nothing is left.
func (r *Reporter) all(ctx context.Context) error {
	for {
		var list []store.Unreported
		err := r.Reads().Memory.Read(ctx, func(tx *store.Tx) (err error) {
			list, err = tx.Unreported(auth.MaxReport)
			return err
		})
		if err != nil || len(list) == 0 {
			return err
		}
		upTo, err := r.toAny(ctx, list)
		if err != nil {
			return err
		}
		if upTo < list[0].Seq {
			return fmt.Errorf("a server took nothing of the report: it has one up to %d, and this begins at %d", upTo, list[0].Seq)
		}
		err = r.Reads().Memory.Write(ctx, func(tx *store.Tx) error { return tx.Reported(min(upTo, list[len(list)-1].Seq)) })
		if err != nil {
			return err
		}
	}
}

// toAny reports to the first full server that takes it.
func (r *Reporter) toAny(ctx context.Context, list []store.Unreported) (upTo int64, err error) {
	req := &v1.ReportRequest{}
	for _, u := range list {
		req.Entries = append(req.Entries, &v1.Reported{
			Seq: u.Seq, Made: timestamppb.New(u.Made), Name: string(u.Name), Kind: string(u.Kind), Machine: u.Machine.String(), Origin: u.Origin,
			Account: u.Account.String(), Epoch: u.Epoch, Step: u.Step,
		})
	}
	var servers []store.Server
	err = r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		servers, err = tx.Servers()
		return err
	})
	if err != nil {
		return 0, err
	}
	var all []error
	for _, s := range servers {
		if s.URL == "" {
			continue
		}
		upTo, err := r.to(ctx, s.URL, req)
		if err == nil {
			return upTo, nil
		}
		all = append(all, fmt.Errorf("%s: %w", s.URL, err))
	}
	if len(all) == 0 {
		return 0, errors.New("no full server has said its URL (\"init --url\")")
	}
	return 0, errors.Join(all...)
}

// to reports to one server, which has to prove by the key list to be the realm's.
func (r *Reporter) to(ctx context.Context, address string, req *v1.ReportRequest) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	u, err := url.Parse(address)
	if err != nil {
		return 0, fmt.Errorf("address of a server: %w", err)
	}
	own, err := r.Reads().ClientCertificate()
	if err != nil {
		return 0, err
	}
	t := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		MinVersion:           tls.VersionTLS13,
		InsecureSkipVerify:   true, //nolint:gosec // VerifyConnection is what verifies
		VerifyConnection:     func(cs tls.ConnectionState) error { return r.KnowsServer(cs.PeerCertificates, u.Hostname()) },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil },
	}}
	defer t.CloseIdleConnections()
	resp, err := sallyportv1connect.NewReportServiceClient(&http.Client{Transport: t}, address).Report(ctx, req)
	if err != nil {
		return 0, fmt.Errorf("report: %w", err)
	}
	return resp.GetUpTo(), nil
}
