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

	// defaultTimeout bounds one attempt, from dialling to the answer's end.
	defaultTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer, to use the connection
	// again. Nothing is done with it.
	maxAnswer = 4 << 10
	// maxRetryAfter bounds for how long a receiver can have us wait.
	maxRetryAfter = time.Hour
)

// Options of a [Webhook]. All are required but Timeout.
type Options struct {
	URL     string   // of the receiver; https, or http to a loopback address
	Source  string   // of the events: a URI reference that names this gateway
	Secrets [][]byte // as ParseSecret gives them; each signs, so that they can be rotated
	Now     func() time.Time
	Timeout time.Duration // of one attempt; 0 means 10 s
}

// Webhook is a [sallyport.Notifier] that posts to one receiver.
type Webhook struct {
	o      Options
	url    *url.URL
	client *http.Client
}

var _ sallyport.Notifier = (*Webhook)(nil)

// New refuses what would send notifications unsigned, or in plain text over a
// network.
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
		// What is signed is for the receiver that was configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// CheckURL refuses, without quoting it, what is no URL of a receiver.
func CheckURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("must be a URL such as https://hooks.example.com/sallyport")
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("must have no user, password or fragment: events are signed instead")
	case !strict.SecureURL(u):
		return nil, errors.New("must be https: plain http is only for the " + strict.LoopbackRule)
	}
	return u, nil
}

// Notify implements [sallyport.Notifier].
func (w *Webhook) Notify(ctx context.Context, n sallyport.Notification) error {
	body, err := encode(n, w.o.Source)
	if err != nil {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeBadNotification, "notification %s can't be encoded: %w", n.ID, err)
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
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // the status has said it already
	return w.judge(resp)
}

// judge makes of an answer what the contract of [sallyport.Notifier] has.
func (w *Webhook) judge(resp *http.Response) error {
	status := resp.StatusCode
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusBadRequest, status == http.StatusGone, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		// Of what it says of this one. That it doesn't know us, or is not there
		// at all, is for its operator to mend, and for us to try again.
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeReceiverRefused, "the receiver refused the notification for good with status %d", status)
	}
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeReceiverFailed, "the receiver answered with status %d", status)
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), w.o.Now())
	return e
}

// failed says that there was no answer. The URL may be known to few, and stays
// out of it.
func failed(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeReceiverUnreachable, "the receiver did not answer: %w", err)
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
