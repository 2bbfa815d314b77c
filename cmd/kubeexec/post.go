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
	// patience is how long the executor tries to post the response. The worker
	// reads it from the pod's log otherwise.
	patience = 3 * time.Second
	// firstDial bounds the first attempt to connect. The kernel repeats a dropped
	// packet only after a second, and the call's NetworkPolicy may not be in
	// force yet.
	firstDial = 200 * time.Millisecond
	dials     = 5
)

// dial connects, with attempts of growing length.
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
			break // refused, or ctx has ended: another attempt does not help
		}
	}
	return nil, errs[len(errs)-1]
}

// post posts the response to the worker's result receiver, if there is one. A
// stopped run has a response, too, so that ctx must not end with the run.
func (p program) post(ctx context.Context, response []byte) {
	target := p.env(wire.EnvReplyURL)
	if target == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, client, err := p.prepare(target)
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

// prepare makes the request and its client. The client trusts only the
// certificate in the environment, and the token is valid for this one response.
func (p program) prepare(target string) (*http.Request, *http.Client, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, nil, fmt.Errorf("%s must be an https URL", wire.EnvReplyURL)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(p.env(wire.EnvReplyCA))) {
		return nil, nil, fmt.Errorf("%s holds no PEM certificate", wire.EnvReplyCA)
	}
	token, err := os.ReadFile(p.replyToken)
	if err != nil {
		return nil, nil, err
	}
	request, err := http.NewRequest(http.MethodPost, target, nil) //nolint:noctx // each attempt has a context
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

// deliver makes one attempt, and reports whether no other attempt is needed.
func deliver(request *http.Request, client *http.Client, response []byte) bool {
	request.Body = io.NopCloser(bytes.NewReader(response))
	request.ContentLength = int64(len(response))
	res, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096)) // the status alone counts
	return res.StatusCode != http.StatusTooManyRequests && res.StatusCode < http.StatusInternalServerError
}
