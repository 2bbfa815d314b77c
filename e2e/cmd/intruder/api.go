package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/sallyport/sallyport/e2e/internal/intrusion"
	"github.com/sallyport/sallyport/tools/wire"
)

// patience is how long one attempt takes.
const patience = 3 * time.Second

// api is the way to the API server, with the token that the pod was given. It
// keeps its connections.
type api struct {
	web   *http.Client
	url   string
	token string
	names *strings.Replacer
}

func connect() (*api, error) {
	token, err := os.ReadFile(wire.APITokenFile)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(wire.APICAFile)
	if err != nil {
		return nil, err
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token)+"..", ".")[1])
	if err != nil {
		return nil, err
	}
	var who struct {
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(claims, &who); err != nil {
		return nil, err
	}
	account := strings.Split(who.Subject+":::", ":") // system:serviceaccount:NAMESPACE:NAME
	return &api{
		web: client(ca), url: "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")),
		token: string(token), names: strings.NewReplacer("$namespace", account[2], "$account", account[3]),
	}, nil
}

func client(ca []byte) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
}

// plan reads what is to be tried. Right after a call's objects were made, the
// network or the authorizer may not know of them yet.
func (a *api) plan(ctx context.Context, target string) (p intrusion.Plan, err error) {
	namespace, name := path.Split(target)
	for range 10 {
		var text string
		text, err = a.ask(ctx, intrusion.Request{Method: http.MethodGet, Path: "/apis/apps/v1/namespaces/" + namespace + "deployments/" + name})
		if err != nil {
			time.Sleep(patience / 10)
			continue
		}
		var d struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		}
		if err = json.Unmarshal([]byte(text), &d); err == nil {
			err = json.Unmarshal([]byte(d.Metadata.Annotations[intrusion.Annotation]), &p)
		}
		return p, err
	}
	return p, err
}

func (a *api) ask(ctx context.Context, r intrusion.Request) (string, error) {
	q, err := http.NewRequestWithContext(ctx, r.Method, a.url+a.names.Replace(r.Path), strings.NewReader(r.Body))
	if err != nil {
		return "", err
	}
	for k, v := range r.Header {
		q.Header.Set(k, v)
	}
	q.Header.Set("Authorization", "Bearer "+a.token)
	return answered(a.web.Do(q)) //nolint:bodyclose // answered does
}

// answered has what a server said, or its refusal as an error.
func answered(res *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return res.Status, nil
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%d: %.300s", res.StatusCode, text)
	}
	return string(text), err
}

// post posts a result to the worker's result receiver for a Job, with the token
// of the intruder's own Job.
func post(ctx context.Context, job string) (string, error) {
	url := os.Getenv(wire.EnvReplyURL)
	if url == "" {
		return "", errors.New("there is no worker that waits")
	}
	token, err := os.ReadFile(wire.ReplyTokenFile)
	if err != nil {
		return "", err
	}
	if job != "own" {
		url = url[:strings.LastIndexByte(url, '/')+1] + job
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"result":{"said":"by the intruder"}}`)) //nolint:gosec // where its pod says
	if err != nil {
		return "", err
	}
	q.Header.Set("Authorization", "Bearer "+string(token))
	return answered(client([]byte(os.Getenv(wire.EnvReplyCA))).Do(q)) //nolint:bodyclose,gosec // answered closes it; where its pod says
}

// connectTo connects to an address. A refused connection counts as reached: it
// is a response of the other side.
func connectTo(ctx context.Context, at intrusion.Attempt) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if at.Resolve != "" {
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", at.Resolve)
		}}
		found, err := r.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
		return strings.Join(found, " "), err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.Dial)
	if refused(err) {
		return err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	return "connected", c.Close()
}
