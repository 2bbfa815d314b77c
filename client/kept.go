package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sallyport/sallyport"
)

// Kept is a log-in that outlives the program: tokens with which a person reads and
// calls. A program MUST NOT vote or freeze with it, because it says that the person
// was there once, and not that they are there now.
type Kept struct {
	Issuer       string    `json:"issuer"`
	ClientID     string    `json:"client_id"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"` // "" where the provider gives none
	Expires      time.Time `json:"expires,omitzero"`        // of the access token; zero where the provider does not say
}

const (
	refreshPatience = 20 * time.Second
	refreshAhead    = 30 * time.Second // before a token expires on its way
)

// ErrEnded says that a kept log-in can't be renewed: the person has to log in.
var ErrEnded = errors.New("the log-in has ended")

// Keep logs a person in for longer, if the identity provider gives a refresh token.
func (l Login) Keep(ctx context.Context, audience string) (Kept, error) {
	tokens, err := l.run(ctx, rand.Text(), []string{oidc.ScopeOfflineAccess}, oauth2.SetAuthURLParam("audience", audience))
	if err != nil {
		return Kept{}, err
	}
	return Kept{l.Issuer, l.ClientID, tokens.AccessToken, tokens.RefreshToken, tokens.Expiry}, nil
}

// Fresh reports whether the access token still holds.
func (k Kept) Fresh(now time.Time) bool {
	return k.Expires.IsZero() || now.Add(refreshAhead).Before(k.Expires)
}

// Refresh asks the identity provider for other tokens. Its error is [ErrEnded]
// where the provider gives none any more.
func (k Kept) Refresh(ctx context.Context) (Kept, error) {
	if k.RefreshToken == "" {
		return k, ErrEnded
	}
	ctx, cancel := context.WithTimeout(ctx, refreshPatience)
	defer cancel()
	provider, err := discover(ctx, k.Issuer)
	if err != nil {
		return k, err
	}
	config := oauth2.Config{ClientID: k.ClientID, Endpoint: provider.endpoint}
	tokens, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: k.RefreshToken}).Token()
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.Response.StatusCode/100 == 4 {
		return k, fmt.Errorf("%w: %s refused to renew it: %s", ErrEnded, k.Issuer, sallyport.Visible(refused.ErrorCode))
	}
	if err != nil {
		return k, fmt.Errorf("%s did not renew the log-in: %s", k.Issuer, sallyport.Visible(err.Error()))
	}
	k.AccessToken, k.RefreshToken, k.Expires = tokens.AccessToken, tokens.RefreshToken, tokens.Expiry
	return k, nil
}

// Revoke tells the identity provider that the log-in is over (RFC 7009), where the
// provider takes that. It reports whether it does.
func (k Kept) Revoke(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshPatience)
	defer cancel()
	provider, err := discover(ctx, k.Issuer)
	if err != nil || k.RefreshToken == "" || !secure(provider.Revocation) {
		return false, err
	}
	form := url.Values{"token": {k.RefreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {k.ClientID}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, provider.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{CheckRedirect: noRedirect}).Do(req)
	if err != nil {
		return false, fmt.Errorf("%s does not respond: %w", k.Issuer, err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s did not revoke the log-in: %s", k.Issuer, resp.Status)
	}
	return err == nil, err
}
