package application

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/application/settings"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Path is where messages are sent to.
const Path = "/applications/v1"

// Limits.
const (
	mediaType     = "application/octet-stream"
	helloLife     = 5 * time.Minute
	mostHellos    = 1000 // of an application, that wait for their key
	mostIdle      = 1000 // instances of an application to which no person is bound
	acceptedLife  = 5 * time.Minute
	readTimeout   = 10 * time.Second
	answerTimeout = 10 * time.Second
	mostTurns     = 16                   // messages that are answered at a time
	jobLife       = 365 * 24 * time.Hour // for how long there is a record of a job beside the audit log's
	openLife      = 10 * time.Minute     // for how long an order waits that cannot be done
	mostResolved  = 100                  // jobs at a time that were left behind
)

// Service answers messages. It is an http.Handler.
type Service struct {
	*realm.Realm
	brake     realm.Brake
	turns     chan struct{}
	resources map[string]Resources // by space

	delivery   Delivery
	deliveries chan struct{}

	mu   sync.Mutex
	keys map[string]message.Key // the realm's, by what they are stored as
}

// New is a realm's. resources are spaces that other services provide; what is in no other space
// is kept by the realm itself.
func New(r *realm.Realm, resources map[string]Resources, d Delivery) *Service {
	return &Service{Realm: r, turns: make(chan struct{}, mostTurns), resources: resources, delivery: d, deliveries: make(chan struct{}, mostDeliveries)}
}

// ServeHTTP answers one message. Who sent it needs no certificate: the message proves it.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	leave, ok := s.brake.Enter(identity.OriginOfHost(realm.CallerOf(r.Context()).Host), time.Now())
	if !ok {
		refuse(w, http.StatusTooManyRequests)
		return
	}
	defer leave()
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(readTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, message.MaxMessage))
	_ = rc.SetReadDeadline(time.Time{}) // it would outlast the body
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		refuse(w, http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	ctx, end := context.WithTimeout(r.Context(), answerTimeout)
	defer end()
	answer, status := s.inTurn(ctx, body)
	if status != http.StatusOK {
		refuse(w, status)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(answer) // who has gone is not told
}

// inTurn waits until few others are answered. Only what has arrived whole takes a turn: who
// sends slowly keeps nobody waiting.
func (s *Service) inTurn(ctx context.Context, body []byte) ([]byte, int) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
		return s.Answer(ctx, body)
	case <-ctx.Done():
		return nil, http.StatusServiceUnavailable
	}
}

// refuse says no more than a status does.
func refuse(w http.ResponseWriter, status int) {
	text := map[int]string{
		http.StatusNotFound:              "there are no applications here",
		http.StatusMethodNotAllowed:      "send a message with POST",
		http.StatusTooManyRequests:       "too many messages: try again in some seconds",
		http.StatusRequestEntityTooLarge: "the message is too long",
		http.StatusServiceUnavailable:    "not now, or not at this server",
		http.StatusInternalServerError:   "internal error; the server's log has more",
	}[status]
	if text == "" {
		text = "not accepted"
	}
	http.Error(w, text, status)
}

// Answer answers one message, or says with which HTTP status it is refused.
func (s *Service) Answer(ctx context.Context, sealed []byte) ([]byte, int) {
	var set store.ApplicationService
	err := s.Store.Once(ctx, func(tx *store.Tx) (err error) {
		set, err = settings.Read(tx)
		return err
	})
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	if !set.Enabled {
		return nil, http.StatusNotFound
	}
	if s.Fit() != nil || s.Reads() != nil {
		return nil, http.StatusServiceUnavailable
	}
	a, err := s.prove(ctx, set, sealed)
	if errors.Is(err, errUnproved) {
		return nil, http.StatusBadRequest
	}
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	answer, err := s.reply(ctx, a)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	return answer, http.StatusOK
}

// fault logs what went wrong here.
func (s *Service) fault(ctx context.Context, err error) int {
	if ctx.Err() != nil || errors.Is(err, store.ErrReadOnly) {
		return http.StatusServiceUnavailable
	}
	s.Log.ErrorContext(ctx, "request failed", "doing", "answer an application", "error", err)
	return http.StatusInternalServerError
}

// realmKeys are the realm's OpenPGP keys that are good now, of what is stored.
func (s *Service) realmKeys(set store.ApplicationService) (list []message.Key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	opened := make(map[string]message.Key)
	for _, sealed := range settings.Keys(set, s.Now()) {
		k, is := s.keys[string(sealed)]
		if !is {
			if k, err = settings.Key(s.Realm, sealed); err != nil {
				return nil, err //nolint:wrapcheck // it says what it is about
			}
		}
		opened[string(sealed)] = k
		list = append(list, k)
	}
	s.keys = opened
	return list, nil
}

// Tidy forgets what is over, and resolves jobs that were left behind when a server ended.
func (s *Service) Tidy(ctx context.Context) error {
	var set store.ApplicationService
	var left []store.ApplicationJob
	err := s.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if set, err = settings.Read(tx); err == nil && set.Enabled {
			left, err = tx.OpenJobs(s.Now().Add(-answerTimeout), mostResolved)
		}
		return err
	})
	if err != nil || set.Sealed == nil || s.Reads() != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	var faults error // of one job, which keep no other waiting
	for _, j := range left {
		faults = errors.Join(faults, s.resolve(ctx, j.UUID))
	}
	return errors.Join(faults, s.Store.Write(ctx, func(tx *store.Tx) error {
		return tx.PurgeApplications(s.Now(), s.Now().Add(-jobLife))
	}))
}
