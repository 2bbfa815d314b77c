package gateway

import (
	"fmt"
	"net/url"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/notify"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/worker"
)

// notifications are the worker's options for notifications; nil where the
// configuration has no receiver.
func (g *Gateway) notifications() (*worker.NotifyOptions, error) {
	c := g.o.Config
	if c.Notifications == nil {
		return nil, nil
	}
	o := notify.Options{URL: c.Notifications.URL, Source: eventSource(g.origin), Now: time.Now}
	for _, file := range c.Notifications.SecretFiles {
		text, err := strict.Secret(file)
		if err != nil {
			return nil, fmt.Errorf("notifications.secret_files: %w", err)
		}
		key, err := notify.ParseSecret(text)
		if err != nil {
			return nil, fmt.Errorf("notifications.secret_files: %s: %w", file, err)
		}
		o.Secrets = append(o.Secrets, key)
	}
	webhook, err := notify.New(o)
	if err != nil {
		return nil, err
	}
	n := &worker.NotifyOptions{Ledger: g.ledger, Notifier: webhook, Now: time.Now, Meter: g.telemetry.Metrics()}
	if c.Temporal.UI != "" {
		n.Link = func(n sallyport.Notification) string { return ballotURL(c.Temporal, n.CallID, n.RunID) }
	}
	return n, nil
}

// eventSource names a gateway by its ledger: ids of events are unique beside
// it, and it stays the same when addresses change.
func eventSource(origin string) string { return "urn:sallyport:ledger:" + url.PathEscape(origin) }
