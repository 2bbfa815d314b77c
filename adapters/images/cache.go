package images

import (
	"sync"
	"time"
)

// maxRemembered bounds the number of remembered images. No catalogue has as many
// tools.
const maxRemembered = 1024

// cache remembers which digests are signed, each for a lifetime.
type cache struct {
	lifetime time.Duration
	now      func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
}

func (c *cache) has(digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Before(c.until[digest])
}

// add remembers a digest. If the cache is full, the digest replaces the one that
// expires next.
func (c *cache) add(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil {
		c.until = map[string]time.Time{}
	}
	if _, known := c.until[digest]; !known && len(c.until) >= maxRemembered {
		delete(c.until, c.oldest())
	}
	c.until[digest] = c.now().Add(c.lifetime)
}

func (c *cache) oldest() (digest string) {
	for d, until := range c.until {
		if digest == "" || until.Before(c.until[digest]) {
			digest = d
		}
	}
	return digest
}
