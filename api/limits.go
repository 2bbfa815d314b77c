package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport"
)

// lane is what a request draws from. Each identity has its share of each lane,
// and nothing that is done in one lane, or by another identity, empties it: who
// reads a lot votes and freezes all the same.
type lane string

const (
	toCall    lane = "calls"    // calls and dry runs
	toRead    lane = "reads"    // all that reads
	toControl lane = "controls" // votes, freezes and cancels
	toSend    lane = "messages" // messages by MCP while they arrive: they cost nothing of this one
)

// What requests cost of a share. A read of one call costs 1.
const (
	costNone  = 0 // a notification by MCP: its meter charges for it
	costOne   = 1
	costList  = 5  // it reads many calls
	costProof = 10 // it reads many nodes of the tree
)

// How many requests of one identity are at work in a lane at once, and how long
// one more waits for its turn. Requests that wait for a call are counted apart.
const (
	mostAtWork  = 8
	mostWaiting = 256
	turnTime    = 2 * time.Second
)

// Requests without a token share these: as many at once, and no more. Probes
// have their own.
const (
	mostOpen   = 16
	mostProbes = 8
)

// limiter holds the shares of all identities. The identity table bounds how
// many there are.
type limiter struct {
	limits map[lane]RateLimit
	now    func() time.Time

	mu     sync.Mutex
	shares map[string]*share
}

// share is what one identity has of a lane.
type share struct {
	name    string
	bucket  *rate.Limiter
	turns   chan struct{} // one for each request at work
	waiting chan struct{} // one for each that waits for a call
}

func newLimiter(calls, reads RateLimit, now func() time.Time) *limiter {
	return &limiter{
		limits: map[lane]RateLimit{toCall: calls, toRead: reads, toControl: calls},
		now:    now, shares: map[string]*share{},
	}
}

// of is the share of an identity, as "agent/deploy-bot".
func (l *limiter) of(who string, in lane) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := string(in) + "/" + who
	s := l.shares[key]
	if s == nil {
		_, name, _ := strings.Cut(who, "/")
		limit, turns := l.limits[in], mostAtWork
		if in == toCall { // calls at work have a limit of their own, in the ledger
			turns = mostWaiting
		}
		s = &share{
			name: name, bucket: rate.NewLimiter(limit.PerSecond, limit.Burst),
			turns: make(chan struct{}, turns), waiting: make(chan struct{}, mostWaiting),
		}
		l.shares[key] = s
	}
	return s
}

// take takes a turn, which the caller ends, or says when the next may come.
func (l *limiter) take(ctx context.Context, who string, in lane, cost int) (*turn, error) {
	s := l.of(who, in)
	now := l.now()
	reservation := s.bucket.ReserveN(now, min(cost, s.bucket.Burst()))
	if delay := reservation.DelayFrom(now); delay > 0 {
		reservation.CancelAt(now)
		return nil, s.refusal(delay, "%s exceeds the rate limit of %s", s.name, in)
	}
	if !enter(ctx, s.turns, turnTime) {
		return nil, s.refusal(time.Second, "%s has %d requests at work at once, which is the limit of %s", s.name, cap(s.turns), in)
	}
	return &turn{share: s}, nil
}

// tell says in a response's header what a share is, and what is left of it, as
// draft-ietf-httpapi-ratelimit-headers-10 has it.
func (l *limiter) tell(header http.Header, who string, in lane) {
	bucket := l.of(who, in).bucket
	burst, each := float64(bucket.Burst()), float64(bucket.Limit())
	left := max(bucket.TokensAt(l.now()), 0)
	header.Set("RateLimit-Policy", fmt.Sprintf(`"%s";q=%.0f;w=%.0f`, in, burst, math.Ceil(burst/each)))
	header.Set("RateLimit", fmt.Sprintf(`"%s";r=%.0f;t=%.0f`, in, math.Floor(left), math.Ceil((burst-left)/each)))
}

func (s *share) refusal(after time.Duration, format string, args ...any) error {
	err := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeRateLimited, format, args...)
	err.RetryAfter = after
	return err
}

// enter takes a place in a room of so many, or gives up.
func enter(ctx context.Context, room chan struct{}, patience time.Duration) bool {
	select {
	case room <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case room <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// turn is the place of one request among those of its identity.
type turn struct{ share *share }

func (t *turn) end() { <-t.share.turns }

// rest gives the turn to another request while this one waits for a call, and
// returns how to take it back; or reports that too many wait already.
func (t *turn) rest() (wake func(), ok bool) {
	if t == nil {
		return func() {}, true
	}
	select {
	case t.share.waiting <- struct{}{}:
	default:
		return nil, false
	}
	<-t.share.turns
	return func() {
		<-t.share.waiting
		t.share.turns <- struct{}{}
	}, true
}
