package api

import (
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport"
)

// identify finds the sender of a request by its bearer token (RFC 6750).
func (s *Server) identify(c echo.Context) (sallyport.Identity, error) {
	token, err := bearer(c.Request().Header.Values(echo.HeaderAuthorization))
	if err != nil {
		return sallyport.Identity{}, err
	}
	who, err := s.opts.Identifier.Identify(c.Request().Context(), token)
	if err != nil {
		return sallyport.Identity{}, err
	}
	if (who.Agent == nil) == (who.Person == nil) {
		return sallyport.Identity{}, sallyport.Errorf(sallyport.Internal, sallyport.CodeBadIdentity, "the identifier named neither or both of an agent and a person")
	}
	exchangeOf(c).identity = identityID(who)
	return who, nil
}

func bearer(values []string) (string, error) {
	if len(values) == 0 {
		return "", sallyport.Errorf(sallyport.Unauthenticated, sallyport.CodeNoToken, "send a token: Authorization: Bearer …")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsFunc(token, notTokenChar) {
		return "", sallyport.Errorf(sallyport.Unauthenticated, sallyport.CodeBadToken, "the Authorization header must be one, of the form: Bearer <token>")
	}
	return token, nil
}

// notTokenChar reports whether RFC 6750 allows no r in a bearer token.
func notTokenChar(r rune) bool {
	return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=", r)
}

func identityID(who sallyport.Identity) string {
	if who.Agent != nil {
		return who.Agent.ID
	}
	return who.Person.ID
}

// limiter holds one token bucket per agent and per person. The identity table
// bounds how many there are.
type limiter struct {
	limit RateLimit
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

func newLimiter(limit RateLimit, now func() time.Time) *limiter {
	return &limiter{limit: limit, now: now, buckets: map[string]*rate.Limiter{}}
}

// take counts one request of an agent or a person, or says when the next may come.
func (l *limiter) take(who string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket := l.buckets[who]
	if bucket == nil {
		bucket = rate.NewLimiter(l.limit.PerSecond, l.limit.Burst)
		l.buckets[who] = bucket
	}
	now := l.now()
	reservation := bucket.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay == 0 {
		return nil
	}
	reservation.CancelAt(now)
	_, name, _ := strings.Cut(who, "/")
	err := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeRateLimited, "%s exceeds the rate limit", name)
	err.RetryAfter = delay
	return err
}
