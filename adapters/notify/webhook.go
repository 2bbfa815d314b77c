package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

const (
	contentType = "application/cloudevents+json; charset=UTF-8"

	// defaultTimeout bounds one attempt, from dialling to the end of the response.
	defaultTimeout = 10 * time.Second
	// maxResponse bounds the bytes of a response that are read, and ignored, so
	// that the connection can be used again.
	maxResponse = 4 << 10
	// maxRetryAfter bounds the delay that a receiver can ask for.
	maxRetryAfter = time.Hour
)

// Options configure a [Webhook]. All but Timeout are required.
type Options struct {
	URL     string   // of the receiver; https, or http to a loopback address
	Source  string   // of the events: a URI reference that names this gateway
	Secrets [][]byte // as ParseSecret returns them; each signs, so that they can be rotated
	Now     func() time.Time
	Timeout time.Duration // of one attempt; default 10s
}

// Webhook is a [sallyport.Notifier] that posts to one receiver.
type Webhook struct {
	o      Options
	url    *url.URL
	client *http.Client
}

var _ sallyport.Notifier = (*Webhook)(nil)

// New refuses options that would send notifications unsigned, or in plain text
// over a network.
func New(o Options) (*Webhook, error) {
	if o.Source == "" || len(o.Secrets) == 0 || o.Now == nil {
		return nil, errors.New("notify: Options.Source, Secrets and Now are required")
	}
	for i, s := range o.Secrets {
		if len(s) < minSecret {
			return nil, fmt.Errorf("notify: secret %d is shorter than %d bytes", i+1, minSecret)
		}
	}
	u, err := CheckURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	return &Webhook{o: o, url: u, client: &http.Client{
		Timeout: o.Timeout,
		// A redirect must not lead a signed event to another receiver.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// CheckURL parses the URL of a receiver. Its errors don't quote it: it may hold
// a secret.
func CheckURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("must be a URL such as https://hooks.example.com/sallyport")
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("must have no user, password or fragment; the gateway signs events instead")
	case !strict.SecureURL(u):
		return nil, errors.New("must be https: plain http is only for the " + strict.LoopbackRule)
	}
	return u, nil
}

// Notify implements [sallyport.Notifier].
func (w *Webhook) Notify(ctx context.Context, n sallyport.Notification) error {
	body, err := encode(n, w.o.Source)
	if err != nil {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeBadNotification, "cannot encode notification %s: %w", n.ID, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return failed(err)
	}
	now := w.o.Now()
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "sallyport")
	req.Header.Set("Webhook-Id", n.ID)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", sign(w.o.Secrets, n.ID, now, body))
	resp, err := w.client.Do(req)
	if err != nil {
		return failed(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxResponse) // the status alone counts
	return w.classify(resp)
}

// classify turns a response into an error of the contract of
// [sallyport.Notifier].
func (w *Webhook) classify(resp *http.Response) error {
	status := resp.StatusCode
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusBadRequest, status == http.StatusGone, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		// The receiver rejects this notification. Authentication errors and a
		// missing page concern the receiver's set-up: its operator corrects it, and
		// the gateway retries.
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeReceiverRefused, "the receiver rejected the notification with status %d; the gateway does not retry it", status)
	}
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeReceiverFailed, "the receiver responded with status %d", status)
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), w.o.Now())
	return e
}

// failed is the error of a request without a response. It leaves out the URL,
// which may hold a secret.
func failed(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeReceiverUnreachable, "the receiver did not respond: %w", err)
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110).
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
