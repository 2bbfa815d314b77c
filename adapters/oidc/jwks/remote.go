package jwks

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport"
)

// How long keys are trusted, and how often an issuer may be asked. A sender of
// forged tokens can't raise that rate.
const (
	refreshAfter  = 10 * time.Minute // a key that the issuer withdrew is trusted no longer than this
	keepFor       = time.Hour        // unless the issuer is out of reach: then as long as this
	discoverAfter = time.Hour        // how long a discovery document is trusted
	fetchEvery    = 10 * time.Second // between fetches, once the burst is used up
	fetchBurst    = 3
	fetchTimeout  = 5 * time.Second
	unknownFor    = time.Minute // how long a key id that the issuer does not have is remembered
	mostUnknown   = 1024        // how many of those
)

// Remote is an issuer's keys by discovery. Nothing is fetched before a
// token needs it, and all waiting requests share one fetch.
type Remote struct {
	issuer string
	client *http.Client
	now    func() time.Time
	logger *slog.Logger

	mu         sync.Mutex
	keys       []jose.JSONWebKey
	fetched    time.Time // when the keys were
	endpoint   string    // the issuer's jwks_uri
	discovered time.Time // when that was
	limit      *rate.Limiter
	inflight   *fetch
	unknown    map[string]time.Time // key ids that the issuer did not have, and when
}

// fetch is one attempt to get the keys.
type fetch struct {
	done chan struct{} // closed when err is set
	err  error
}

// NewRemote makes the keys of an issuer, of which nothing is known yet.
func NewRemote(issuer string, client *http.Client, now func() time.Time, logger *slog.Logger) *Remote {
	return &Remote{
		issuer: issuer, client: client, now: now, logger: logger,
		limit:   rate.NewLimiter(rate.Every(fetchEvery), fetchBurst),
		unknown: map[string]time.Time{},
	}
}

// Find implements [Source].
func (r *Remote) Find(ctx context.Context, kid string) ([]jose.JSONWebKey, error) {
	keys, attempt, err := r.look(ctx, kid)
	if attempt == nil {
		return keys, err
	}
	select {
	case <-ctx.Done():
		return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeCancelled, "the request ended before the issuer's keys came: %w", ctx.Err())
	case <-attempt.done:
	}
	if attempt.err != nil {
		if len(keys) > 0 {
			return keys, nil
		}
		return nil, r.unavailable(attempt.err)
	}
	return r.lookAgain(kid)
}

// look returns known keys, or a fetch to wait for and the keys to use if it
// fails.
func (r *Remote) look(ctx context.Context, kid string) ([]jose.JSONWebKey, *fetch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	age := now.Sub(r.fetched)
	fresh := len(r.keys) > 0 && age < refreshAfter
	var keys []jose.JSONWebKey
	if len(r.keys) > 0 && age < keepFor {
		keys = match(r.keys, kid)
	}
	switch {
	case fresh && len(keys) > 0:
		return keys, nil, nil
	case fresh && now.Sub(r.unknown[kid]) < unknownFor:
		return nil, nil, ErrUnknown
	case r.inflight != nil:
		return keys, r.inflight, nil
	case r.limit.AllowN(now, 1):
		return keys, r.start(ctx), nil
	case len(keys) > 0:
		return keys, nil, nil
	}
	err := r.unavailable(nil)
	return nil, nil, err
}

// lookAgain returns keys after a fetch, and remembers a key id that it did not
// bring.
func (r *Remote) lookAgain(kid string) ([]jose.JSONWebKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if keys := match(r.keys, kid); len(keys) > 0 {
		return keys, nil
	}
	if len(r.unknown) >= mostUnknown {
		clear(r.unknown)
	}
	r.unknown[kid] = r.now()
	return nil, ErrUnknown
}

// start begins a fetch that outlives the request which caused it. The lock is
// held.
func (r *Remote) start(ctx context.Context) *fetch {
	attempt := &fetch{done: make(chan struct{})}
	r.inflight = attempt
	endpoint := r.endpoint
	if r.now().Sub(r.discovered) > discoverAfter {
		endpoint = ""
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		keys, found, err := r.fetch(ctx, endpoint)
		r.finish(ctx, attempt, keys, found, err)
	}()
	return attempt
}

func (r *Remote) finish(ctx context.Context, attempt *fetch, keys []jose.JSONWebKey, endpoint string, err error) {
	if err != nil {
		r.logger.WarnContext(ctx, "fetching an issuer's keys failed", slog.Any("error", err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if err != nil {
		r.endpoint = "" // it may have moved
	} else {
		r.keys, r.fetched = keys, now
		if r.endpoint != endpoint || now.Sub(r.discovered) > discoverAfter {
			r.endpoint, r.discovered = endpoint, now
		}
	}
	attempt.err = err
	r.inflight = nil
	close(attempt.done)
}

func (r *Remote) unavailable(err error) error {
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeIssuerUnavailable, "the keys of issuer %s are out of reach at the moment", r.issuer)
	e.Err = err
	e.RetryAfter = fetchEvery
	return e
}
