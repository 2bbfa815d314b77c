package opa

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// TestPollOnlyMarks: a poll that falls into a deployment does not have half of
// it read. The directory must be quiet first, as after a notification.
func TestPollOnlyMarks(t *testing.T) {
	dir := t.TempDir()
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if err := w.Add(dir); err != nil {
		t.Fatal(err)
	}
	e := &Engine{log: slog.New(slog.DiscardHandler)}
	for name, tt := range map[string]struct{ written bool }{"Alone": {false}, "WhileFilesChange": {true}} {
		t.Run(name, func(t *testing.T) {
			poll := make(chan time.Time, 1)
			poll <- time.Now()
			start := time.Now()
			if tt.written {
				if err := os.WriteFile(filepath.Join(dir, "data.yaml"), []byte("a: 1\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if !e.awaitChange(t.Context(), w, poll, dir) {
				t.Fatal("it did not see the poll")
			}
			if waited := time.Since(start); waited < quietFor {
				t.Errorf("the directory is read after %v, and must be quiet for %v", waited, quietFor)
			}
		})
	}
}
