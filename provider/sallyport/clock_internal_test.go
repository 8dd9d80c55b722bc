package sallyport

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
)

// Promise hop-clock.
func TestAClockIsToldOfOnceItHasChanged(t *testing.T) {
	var c clock
	for i, step := range []struct {
		ahead time.Duration
		told  bool
	}{{time.Hour, false}, {time.Hour + 14*time.Second, false}, {time.Hour - 15*time.Second, true}, {time.Hour, true}, {time.Hour + time.Second, false}, {0, true}} {
		if told := c.changed(step.ahead, time.Now()); told != step.told {
			t.Errorf("%d: told %v of %s", i, told, step.ahead)
		}
	}
}

// Promise hop-clock.
func TestAClockThatIsSetBeforeTheFirstWordIsToldOf(t *testing.T) {
	now := time.Now()
	for by, want := range map[time.Duration]bool{0: false, 14 * time.Second: false, 19 * time.Minute: true, -19 * time.Minute: true} {
		c := clock{sent: now.Add(-12 * time.Minute), at: now}
		if told := c.changed(-12*time.Minute+by, c.sent.Add(by)); told != want {
			t.Errorf("set by %s: told %v", by, told)
		}
		if c.changed(-12*time.Minute+by, c.sent.Add(by)) {
			t.Errorf("set by %s: told twice", by)
		}
	}
}

// Promise hop-clock.
func TestAClockIsToldOfAnewWhereNobodyAnswered(t *testing.T) {
	for what, c := range map[string]struct {
		answers http.HandlerFunc
		again   bool
	}{
		"nobody":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		"a proxy":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, true},
		"an older server": {http.NotFound, false},
		"the server": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/proto")
		}, false},
		"one that only reads": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"code": "unavailable", "message": "it only reads"}`))
		}, false},
	} {
		t.Run(what, func(t *testing.T) {
			s := httptest.NewServer(c.answers)
			t.Cleanup(s.Close)
			e := &endpoint{p: &Provider{o: Options{Timeouts: Timeouts{Call: time.Minute}, Now: time.Now}}}
			e.machines = sallyportv1connect.NewMachineServiceClient(s.Client(), s.URL)
			var told clock
			_ = told.changed(0, time.Now())
			told.report(t.Context(), e)
			if again := told.changed(0, time.Now()); again != c.again {
				t.Errorf("told anew: %v", again)
			}
			if told.changed(0, time.Now()) {
				t.Error("told a third time")
			}
		})
	}
}
