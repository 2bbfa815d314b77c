package platform

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	suffix      = ".svc.cluster.local"
	readTimeout = 5 * time.Second
)

// Dial connects from the node with "name.namespace.svc.cluster.local:port", as
// a pod does, or with an address in the cluster. Policies never deny the node.
func (p *Platform) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) != nil {
		return p.cluster.Dial(ctx, address)
	}
	short, ok := strings.CutSuffix(host, suffix)
	name, namespace, whole := strings.Cut(short, ".")
	if !ok || !whole {
		return nil, fmt.Errorf("%s is no Service of the cluster, such as idp.idp%s", host, suffix)
	}
	service, err := p.address(ctx, namespace, name)
	if err != nil {
		return nil, fmt.Errorf("resolving %s: %w", host, err)
	}
	return p.cluster.Dial(ctx, net.JoinHostPort(service, port))
}

// HTTP is a client for services in the cluster. It follows no redirects, so that
// tests can check them, and has no cookies.
func (p *Platform) HTTP() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialContext: p.Dial, TLSClientConfig: &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Proxy serves other programs of this machine, browsers too, what Dial does: it
// is an HTTP proxy on loopback that understands CONNECT, until ctx ends. It
// returns its URL, for HTTPS_PROXY.
func (p *Platform) Proxy(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{
		Handler: http.HandlerFunc(p.connect), ReadHeaderTimeout: readTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	go func() { _ = s.Serve(l) }() // until it is closed
	return "http://" + l.Addr().String(), nil
}

// connect answers CONNECT (RFC 9110, section 9.3.6).
func (p *Platform) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy is for CONNECT alone", http.StatusMethodNotAllowed)
		return
	}
	there, err := p.Dial(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = there.Close() }()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the client has hung up
	}
	defer func() { _ = here.Close() }()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	stop := context.AfterFunc(r.Context(), func() { _ = errors.Join(here.Close(), there.Close()) })
	defer stop()
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(there, buffered); done <- struct{}{} }()
	go func() { _, _ = io.Copy(here, there); done <- struct{}{} }()
	<-done // who hangs up ends both ways
}
