package instancetest

import (
	"strings"
	"sync"
)

// log keeps what a process writes.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write keeps p.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is what was written so far.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
