package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sallyport/sallyport/tools/wire"
)

const (
	// patience is how long a worker may take to take the response. It finds
	// it in the pod's log if it doesn't.
	patience = 3 * time.Second
	// firstDial is how long the first try to connect lasts. A packet that a
	// NetworkPolicy drops, because the one that allows it isn't in force yet,
	// would otherwise be sent again after a second only.
	firstDial = 200 * time.Millisecond
	dials     = 5
)

// dial connects, with tries that last longer and longer.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	var errs []error
	for limit := firstDial; len(errs) < dials; limit *= 2 {
		d := net.Dialer{Timeout: limit}
		conn, err := d.DialContext(ctx, network, address)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() || ctx.Err() != nil {
			break // it was refused, which waiting does not mend
		}
	}
	return nil, errs[len(errs)-1]
}

// post takes the response to the worker that waits, if one does. A run that
// was stopped has an answer too, so that ctx must not end with the run.
func (p program) post(ctx context.Context, response []byte) {
	target := p.env(wire.EnvReplyURL)
	if target == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, client, err := p.reply(target)
	if err != nil {
		return
	}
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		if deliver(request.Clone(ctx), client, response) {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// reply prepares the request. The certificate in the environment alone is
// trusted, and the token is good for this one reply.
func (p program) reply(target string) (*http.Request, *http.Client, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, nil, fmt.Errorf("%s must be an https URL", wire.EnvReplyURL)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(p.env(wire.EnvReplyCA))) {
		return nil, nil, fmt.Errorf("%s has no certificate", wire.EnvReplyCA)
	}
	token, err := os.ReadFile(p.replyToken)
	if err != nil {
		return nil, nil, err
	}
	request, err := http.NewRequest(http.MethodPost, target, nil) //nolint:noctx // each try gets one
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", "application/json")
	return request, &http.Client{
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// deliver tries once, and reports whether another try is of no use.
func deliver(request *http.Request, client *http.Client, response []byte) bool {
	request.Body = io.NopCloser(bytes.NewReader(response))
	request.ContentLength = int64(len(response))
	res, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096)) // nothing depends on it
	return res.StatusCode != http.StatusTooManyRequests && res.StatusCode < http.StatusInternalServerError
}
