package sallyport

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

var _ provider.VerdictGiver = (*Provider)(nil)

// Verdict implements provider.VerdictGiver.
func (p *Provider) Verdict(ctx context.Context, name identity.Name) (provider.Verdict, error) {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call)
	defer cancel()
	var resp *v1.GetVerdictResponse
	err := p.ask(ctx, true, func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.machines.GetVerdict(ctx, &v1.GetVerdictRequest{Name: string(name)})
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return provider.Verdict{}, meaning("ask for the server's verdict", err)
	}
	v := provider.Verdict{
		ServerTime: moment(resp.GetServerTime()), DiskFull: resp.GetDiskFull(), Machine: resp.GetMachineName(),
		Known: resp.GetKnown(), Standing: resp.GetState(),
	}
	for _, l := range resp.GetLocks() {
		v.Locks = append(v.Locks, provider.VerdictLock{
			Factor: l.GetFactor(), Origin: l.GetOrigin(), Realm: l.GetRealm(), Until: moment(l.GetUntil()), Failures: int(l.GetFailures()),
		})
	}
	return v, nil
}
