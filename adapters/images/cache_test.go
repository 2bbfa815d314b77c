package images

import (
	"strconv"
	"testing"
	"time"
)

func TestCacheIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)
	c := &cache{lifetime: time.Hour, now: func() time.Time { return now }}
	for i := range maxRemembered + 10 {
		now = now.Add(time.Millisecond)
		c.add(strconv.Itoa(i))
	}
	if n := len(c.until); n != maxRemembered {
		t.Errorf("%d digests are remembered, want %d", n, maxRemembered)
	}
	if c.has("9") || !c.has("10") || !c.has(strconv.Itoa(maxRemembered+9)) {
		t.Error("want only the oldest digest replaced")
	}
	c.add(strconv.Itoa(maxRemembered + 9)) // known already: it replaces no other digest
	if !c.has("10") {
		t.Error("a digest that is known pushed out another")
	}
}
