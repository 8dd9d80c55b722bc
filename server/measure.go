package server

import (
	"context"
	"log/slog"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-auth/sallyport/server/realm"
)

// attendant goes with each request of a machine: it refuses where this server must not
// answer, gives the request an id, and counts it.
type attendant struct {
	realm    *realm.Realm
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	streams  prometheus.Gauge
}

var _ connect.Interceptor = (*attendant)(nil)

// attend makes one. Its numbers, and those of the realm, go into the registry.
func attend(r *realm.Realm, into *prometheus.Registry) *attendant {
	a := &attendant{
		realm: r,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_requests_total", Help: "Requests of machines, by what they asked for and how they ended.",
		}, []string{"procedure", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sallyport_request_seconds", Help: "How long requests took, but for streams.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"procedure"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sallyport_streams", Help: "Change streams and lists that are open."}),
	}
	actions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sallyport_audit_rows_total", Help: "Rows that this server wrote into the audit log, by their action: sign-ins, refusals, changes.",
	}, []string{"action"})
	count := func(action string) { actions.WithLabelValues(action).Inc() }
	r.Store.OnRecord(count)
	if d := r.Reads(); d != nil {
		d.Memory.OnRecord(count)
	}
	into.MustRegister(a.requests, a.seconds, a.streams, actions, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sallyport_clock_skew_seconds", Help: "By how much this server's clock is before the database's.",
	}, func() float64 { return r.Skew().Seconds() }))
	return a
}

// WrapUnary implements connect.Interceptor.
func (a *attendant) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (resp connect.AnyResponse, err error) {
		began := time.Now()
		defer func() {
			a.seconds.WithLabelValues(req.Spec().Procedure).Observe(time.Since(began).Seconds())
			a.count(req.Spec(), err)
		}()
		if err := mayAsk(a.realm, req.Spec().Procedure, req.Header().Get(realm.FormsHeader)); err != nil {
			return nil, err
		}
		resp, err = next(numbered(ctx), req)
		return resp, certain(a.realm, err)
	}
}

// WrapStreamingClient implements connect.Interceptor; a server is no client.
func (*attendant) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (a *attendant) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		a.streams.Inc()
		defer func() {
			a.streams.Dec()
			a.count(conn.Spec(), err)
		}()
		if err := mayAsk(a.realm, conn.Spec().Procedure, conn.RequestHeader().Get(realm.FormsHeader)); err != nil {
			return err
		}
		return certain(a.realm, next(numbered(ctx), &fitConn{conn, a.realm}))
	}
}

func (a *attendant) count(s connect.Spec, err error) {
	code := "ok"
	if err != nil {
		code = connect.CodeOf(err).String()
	}
	a.requests.WithLabelValues(s.Procedure, code).Inc()
}

// fitConn ends a stream of a server that must not answer any more.
type fitConn struct {
	connect.StreamingHandlerConn
	realm *realm.Realm
}

// Send implements connect.StreamingHandlerConn.
func (c *fitConn) Send(m any) error {
	if err := c.realm.Fit(); err != nil {
		return err
	}
	return c.StreamingHandlerConn.Send(m)
}

type requestKey struct{}

// numbered gives the request an id, by which the lines of the log about it are found.
func numbered(ctx context.Context) context.Context {
	return context.WithValue(ctx, requestKey{}, uuid.NewString()[:8])
}

// byRequest writes the id of the request into each line of the log that is about one.
type byRequest struct{ slog.Handler }

// Handle implements slog.Handler.
func (h byRequest) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := ctx.Value(requestKey{}).(string); ok {
		r.AddAttrs(slog.String("request", id))
		if c := realm.CallerOf(ctx); c.Host != "" {
			r.AddAttrs(slog.String("caller", c.Host))
		}
	}
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // a slog.Handler
}

// WithAttrs implements slog.Handler.
func (h byRequest) WithAttrs(a []slog.Attr) slog.Handler { return byRequest{h.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (h byRequest) WithGroup(name string) slog.Handler { return byRequest{h.Handler.WithGroup(name)} }
