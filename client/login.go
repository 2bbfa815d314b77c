package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Login logs a person in at an identity provider, as a native application
// does (RFC 8252): the person's browser is sent to the provider and comes back
// with a code to a loopback port of ours. A verifier that never leaves this
// process proves that the code is ours (PKCE, RFC 7636).
type Login struct {
	Issuer   string // URL of the identity provider
	ClientID string // of a public client that may be sent to http://127.0.0.1/callback, on any port
	// Show brings a person to a URL: it opens a browser, or says the URL.
	Show func(ctx context.Context, url string) error
}

const (
	callbackPath  = "/callback"
	loginPatience = 5 * time.Minute
)

// AccessToken is a token for the gateway's API.
func (l Login) AccessToken(ctx context.Context, audience string) (string, error) {
	tokens, err := l.run(ctx, rand.Text(), nil, oauth2.SetAuthURLParam("audience", audience))
	if err != nil {
		return "", err
	}
	return tokens.AccessToken, nil
}

// SignVote lets the identity provider sign a vote: it asks the person to log
// in once more, for this vote alone, and returns the ID token.
func (l Login) SignVote(ctx context.Context, v sallyport.Verdict, ballot sallyport.Digest) (string, error) {
	nonce := sallyport.VoteNonce(v, ballot)
	// The gateway wants to see in the token that the person logged in for it.
	tokens, err := l.run(ctx, nonce, nil, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	if err != nil {
		return "", err
	}
	token, ok := tokens.Extra("id_token").(string)
	if !ok {
		return "", fmt.Errorf("%s gave no ID token", l.Issuer)
	}
	return token, nil
}

// run logs a person in. It asks for those of the scopes besides that the provider
// has.
func (l Login) run(ctx context.Context, nonce string, scopes []string, o ...oauth2.AuthCodeOption) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, loginPatience)
	defer cancel()
	provider, err := discover(ctx, l.Issuer)
	if err != nil {
		return nil, err
	}
	back, err := listen(ctx, l.Issuer, provider.Named)
	if err != nil {
		return nil, err
	}
	defer back.close(ctx)
	config := oauth2.Config{ClientID: l.ClientID, Endpoint: provider.endpoint, RedirectURL: back.url, Scopes: []string{oidc.ScopeOpenID}}
	for _, scope := range scopes {
		if slices.Contains(provider.Scopes, scope) {
			config.Scopes = append(config.Scopes, scope)
		}
	}
	verifier := oauth2.GenerateVerifier()
	o = append(o, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	if err := l.Show(ctx, config.AuthCodeURL(back.state, o...)); err != nil {
		return nil, err
	}
	code, err := back.code(ctx)
	if err != nil {
		return nil, err
	}
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("%s gave no tokens for the log-in: %s", l.Issuer, sallyport.Visible(err.Error()))
	}
	return tokens, nil
}

// discovered is what an identity provider says of itself.
type discovered struct {
	endpoint   oauth2.Endpoint
	Named      bool     `json:"authorization_response_iss_parameter_supported"` // it names itself in its responses (RFC 9207)
	Scopes     []string `json:"scopes_supported"`
	Revocation string   `json:"revocation_endpoint"` // RFC 7009
}

func discover(ctx context.Context, issuer string) (d discovered, err error) {
	if !secure(issuer) {
		return d, fmt.Errorf("the identity provider %q must be an https URL (plain http is only for the %s)", issuer, strict.LoopbackRule)
	}
	provider, err := oidc.NewProvider(ctx, issuer)
	if err == nil {
		err = provider.Claims(&d)
	}
	if err != nil {
		return d, fmt.Errorf("the identity provider %s does not say how to log in: %s", issuer, sallyport.Visible(err.Error()))
	}
	d.endpoint = provider.Endpoint()
	if e := d.endpoint; !secure(e.AuthURL) || !secure(e.TokenURL) {
		return d, fmt.Errorf("the identity provider %s has people log in at %q and gives tokens at %q: both must be https URLs", issuer, e.AuthURL, e.TokenURL)
	}
	return d, nil
}

// callback is the server to which the browser comes back.
type callback struct {
	issuer, state, url string
	named              bool // the provider names itself in its responses (RFC 9207)
	server             *http.Server
	responses          chan url.Values
}

func listen(ctx context.Context, issuer string, named bool) (*callback, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no loopback port for the browser to come back to: %w", err)
	}
	b := &callback{
		issuer: issuer, named: named, state: rand.Text(), url: "http://" + l.Addr().String() + callbackPath, responses: make(chan url.Values, 1),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callbackPath, b.receive)
	b.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = b.server.Serve(l) }() // until it is closed
	return b, nil
}

// receive takes the provider's response. Any other request to the port changes
// nothing.
func (b *callback) receive(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	w.Header().Set("Cache-Control", "no-store")
	if from := values.Get("iss"); values.Get("state") != b.state || (from != b.issuer && (from != "" || b.named)) {
		http.Error(w, "This is not the log-in that sallyport waits for.", http.StatusBadRequest)
		return
	}
	select {
	case b.responses <- values:
		_, _ = w.Write([]byte("You can close this window and go back to the terminal.\n"))
	default:
		http.Error(w, "This log-in has been completed already.", http.StatusConflict)
	}
}

func (b *callback) code(ctx context.Context) (string, error) {
	select {
	case values := <-b.responses:
		if code := values.Get("code"); code != "" {
			return code, nil
		}
		return "", fmt.Errorf("the identity provider refused the log-in: %s %s",
			sallyport.Visible(values.Get("error")), sallyport.Visible(values.Get("error_description")))
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", fmt.Errorf("the browser did not come back from the log-in within %s", loginPatience)
		}
		return "", ctx.Err()
	}
}

// close lets the browser have its response.
func (b *callback) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = b.server.Shutdown(ctx)
}

// secure reports whether people and codes may be sent to a URL.
func secure(address string) bool {
	u, err := url.Parse(address)
	return err == nil && strict.SecureURL(u)
}
