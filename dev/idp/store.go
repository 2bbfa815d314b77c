package idp

import (
	"crypto/rand"
	"sync"
	"time"
)

// mostKept bounds a store. The oldest go first.
const mostKept = 1000

// store keeps values for a while under keys that can't be guessed.
type store[T any] struct {
	ttl time.Duration

	mu    sync.Mutex
	kept  map[string]entry[T]
	order []string // oldest first
}

type entry[T any] struct {
	value   T
	expires time.Time
}

func newStore[T any](ttl time.Duration) *store[T] {
	return &store[T]{ttl: ttl, kept: map[string]entry[T]{}}
}

// put keeps a value and returns its key, of 128 random bits at least.
func (s *store[T]) put(value T, now time.Time) string {
	key := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.order) > 0 {
		oldest := s.order[0]
		if e, there := s.kept[oldest]; there && now.Before(e.expires) && len(s.order) < mostKept {
			break
		}
		delete(s.kept, oldest)
		s.order = s.order[1:]
	}
	s.kept[key] = entry[T]{value: value, expires: now.Add(s.ttl)}
	s.order = append(s.order, key)
	return key
}

// get finds a value that has not expired.
func (s *store[T]) get(key string, now time.Time) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.kept[key]
	if !ok || !now.Before(e.expires) {
		var zero T
		return zero, false
	}
	return e.value, true
}

// take finds a value and forgets it: of two who ask at once, one gets it.
func (s *store[T]) take(key string, now time.Time) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.kept[key]
	delete(s.kept, key)
	if !ok || !now.Before(e.expires) {
		var zero T
		return zero, false
	}
	return e.value, true
}
