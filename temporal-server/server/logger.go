//go:build !race

package server

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// noHTTP begins a warning about an intended setting: the frontend has no HTTP
// port, which reduces its attack surface.
const noHTTP = "HTTP API port has not been set"

// logger writes the server's log to slog, from a level on.
type logger struct {
	to    *slog.Logger
	level slog.Leveler
	exit  func(code int)
}

var _ log.WithLogger = logger{}

func newLogger(to *slog.Logger, level slog.Leveler) logger {
	return logger{to: to.With(slog.String("component", "temporal-server")), level: level, exit: os.Exit}
}

func (l logger) write(level slog.Level, msg string, tags []tag.Tag) {
	ctx := context.Background()
	if level < l.level.Level() || strings.HasPrefix(msg, noHTTP) || !l.to.Enabled(ctx, level) {
		return
	}
	l.to.LogAttrs(ctx, level, msg, attributes(tags)...) //nolint:sloglint // the message is the server's
}

func attributes(tags []tag.Tag) []slog.Attr {
	attrs := make([]slog.Attr, 0, len(tags))
	for _, t := range tags {
		attrs = append(attrs, slog.Any(strings.ReplaceAll(t.Key(), "-", "_"), t.Value()))
	}
	return attrs
}

// With implements [log.WithLogger].
func (l logger) With(tags ...tag.Tag) log.Logger {
	l.to = slog.New(l.to.Handler().WithAttrs(attributes(tags)))
	return l
}

// Debug implements [log.Logger].
func (l logger) Debug(msg string, tags ...tag.Tag) { l.write(slog.LevelDebug, msg, tags) }

// Info implements [log.Logger].
func (l logger) Info(msg string, tags ...tag.Tag) { l.write(slog.LevelInfo, msg, tags) }

// Warn implements [log.Logger].
func (l logger) Warn(msg string, tags ...tag.Tag) { l.write(slog.LevelWarn, msg, tags) }

// Error implements [log.Logger].
func (l logger) Error(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }

// DPanic implements [log.Logger]: outside of the server's own tests it is an
// error like others.
func (l logger) DPanic(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }

// Panic implements [log.Logger]. The server relies on it not to return.
func (l logger) Panic(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	panic(msg)
}

// Fatal implements [log.Logger]. The server relies on it to end the process.
func (l logger) Fatal(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	l.exit(1)
}
