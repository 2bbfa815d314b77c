package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// refetchEvery bounds how often tokens with made-up key ids cause requests
	// to the identity provider.
	refetchEvery = 10 * time.Second
	// keysMaxAge bounds how long a withdrawn key is still trusted.
	keysMaxAge = time.Hour
	// maxKeySet bounds the document that is read.
	maxKeySet = 1 << 20
)

// keySet is an identity provider's JSON Web Key Set (RFC 7517), fetched when
// it is needed.
type keySet struct {
	url    string // or a file
	client *http.Client
	now    func() time.Time

	fetching sync.Mutex // held while fetching, so that there is one request at a time

	mu      sync.RWMutex
	keys    map[string]jose.JSONWebKey
	asked   time.Time // of the last request, whether it succeeded or not
	fetched time.Time // when keys were last received
}

func newKeySet(url string) *keySet {
	return &keySet{url: url, client: &http.Client{Timeout: fetchTimeout}, now: time.Now}
}

// key finds a key by its id.
func (s *keySet) key(ctx context.Context, id string) (jose.JSONWebKey, error) {
	if key, ok := s.known(id); ok {
		return key, nil
	}
	s.fetching.Lock()
	defer s.fetching.Unlock()
	if key, ok := s.known(id); ok { // another goroutine fetched it meanwhile
		return key, nil
	}
	if err := s.fetch(ctx); err != nil {
		return jose.JSONWebKey{}, err
	}
	if key, ok := s.known(id); ok {
		return key, nil
	}
	return jose.JSONWebKey{}, fmt.Errorf("the identity provider has no key %q", id)
}

func (s *keySet) known(id string) (jose.JSONWebKey, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	key, ok := s.keys[id]
	return key, ok && s.now().Sub(s.fetched) < keysMaxAge
}

// fetch asks for the key set, unless it just did.
func (s *keySet) fetch(ctx context.Context) error {
	if !s.mayAsk() {
		return nil
	}
	document, err := s.open(ctx)
	if err != nil {
		return fmt.Errorf("ask for the identity provider's keys: %w", err)
	}
	defer func() { _ = document.Close() }()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(io.LimitReader(document, maxKeySet)).Decode(&set); err != nil {
		return fmt.Errorf("read the identity provider's keys at %s: %w", s.url, err)
	}
	s.store(set)
	return nil
}

// open opens the document, wherever it is.
func (s *keySet) open(ctx context.Context) (io.ReadCloser, error) {
	if filepath.IsAbs(s.url) {
		return os.Open(s.url)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s: %s", s.url, res.Status), res.Body.Close())
	}
	return res.Body, nil
}

func (s *keySet) mayAsk() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !s.asked.IsZero() && now.Sub(s.asked) < refetchEvery {
		return false
	}
	s.asked = now
	return true
}

func (s *keySet) store(set jose.JSONWebKeySet) {
	keys := map[string]jose.JSONWebKey{}
	for _, k := range set.Keys {
		if k.KeyID != "" && k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig") {
			keys[k.KeyID] = k
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.fetched = keys, s.now()
}
