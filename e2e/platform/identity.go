package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/sallyport/sallyport/client"
)

// The clients and audiences of the identity provider.
const (
	Audience       = "sallyport"         // of tokens for the gateway's API
	UIAudience     = "temporal"          // of tokens for the Temporal server
	VotingClient   = "sallyport-approve" // as which people vote
	instanceHeader = "Sallyport-Instance-Token"
)

// AgentToken gets an agent's token as agents do, for their secret.
func (p *Platform) AgentToken(ctx context.Context, agent string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "audience": {Audience}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, AgentIssuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(agent, p.secrets[agent])
	return p.token(request)
}

// Token is a token of an agent or a person for an audience, without a log-in.
func (p *Platform) Token(ctx context.Context, who, audience string) (string, error) {
	body, err := json.Marshal(map[string]string{"as": who, "audience": audience})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, IdentityProvider+"/dev/token", strings.NewReader(string(body)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(instanceHeader, p.secrets["instance"])
	return p.token(request)
}

func (p *Platform) token(request *http.Request) (string, error) {
	answer, err := p.HTTP().Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	var says struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&says); err != nil {
		return "", fmt.Errorf("%s: %s: %w", request.URL, answer.Status, err)
	}
	if says.Token == "" {
		return "", fmt.Errorf("%s: %s: %s", request.URL, answer.Status, says.Error)
	}
	return says.Token, nil
}

// LogIn is how a person logs in to vote, with the context to do it in: the
// person clicks on their own name.
func (p *Platform) LogIn(ctx context.Context, person string) (context.Context, client.Login) {
	return context.WithValue(ctx, oauth2.HTTPClient, p.HTTP()), client.Login{
		Issuer: PeopleIssuer, ClientID: VotingClient,
		Show: func(ctx context.Context, page string) error { return p.choose(ctx, page, person) },
	}
}

// choose does on the log-in page what a person does in a browser, and goes on
// to where the provider then sends it.
func (p *Platform) choose(ctx context.Context, page, person string) error {
	to, err := p.Choose(ctx, page, person)
	if err != nil {
		return err
	}
	back, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(back)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// Choose chooses a person on the log-in page that a client sent the browser
// to, and returns where the provider then sends it.
func (p *Platform) Choose(ctx context.Context, page, person string) (string, error) {
	html, err := p.get(ctx, page)
	if err != nil {
		return "", err
	}
	_, after, found := strings.Cut(html, `name="request" value="`)
	key, _, closed := strings.Cut(after, `"`)
	if !found || !closed {
		return "", fmt.Errorf("%s is no log-in page: %s", page, html)
	}
	form := url.Values{"request": {key}, "person": {person}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, PeopleIssuer+"/authorize", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", IdentityProvider)
	answer, err := p.HTTP().Do(request)
	if err != nil {
		return "", err
	}
	if err := answer.Body.Close(); err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusSeeOther {
		return "", fmt.Errorf("%s could not log in: %s", person, answer.Status)
	}
	return answer.Header.Get("Location"), nil
}

func (p *Platform) get(ctx context.Context, page string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return "", err
	}
	answer, err := p.HTTP().Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}
