package platform

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
)

// Signal logs a person in to the Temporal UI and signals a workflow there, by
// the requests that its page makes.
func (p *Platform) Signal(ctx context.Context, person, workflow, name string, payload []byte) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	web := p.HTTP()
	web.Jar = jar
	_, page, err := browse(ctx, web, http.MethodGet, TemporalUI+"/auth/sso", nil, nil)
	if err != nil {
		return err
	}
	back, err := p.Choose(ctx, page, person)
	if err != nil {
		return err
	}
	if _, _, err := browse(ctx, web, http.MethodGet, back, nil, nil); err != nil {
		return err
	}
	h, err := session(jar)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"input": map[string]any{"payloads": []any{map[string]any{
		"metadata": map[string]any{"encoding": []byte("json/plain")}, "data": payload,
	}}}})
	if err != nil {
		return err
	}
	to := TemporalUI + "/api/v1/namespaces/default/workflows/" + url.PathEscape(workflow) + "/signal/" + url.PathEscape(name)
	status, said, err := browse(ctx, web, http.MethodPost, to, h, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s signals %s: %d: %s", person, workflow, status, said)
	}
	return err
}

// session is what the page takes from its cookies and sends with requests.
func session(jar http.CookieJar) (http.Header, error) {
	base, err := url.Parse(TemporalUI)
	if err != nil {
		return nil, err
	}
	cookies := jar.Cookies(base)
	slices.SortFunc(cookies, func(x, y *http.Cookie) int { return strings.Compare(x.Name, y.Name) })
	var encoded strings.Builder
	for _, c := range cookies {
		if strings.HasPrefix(c.Name, "user") {
			encoded.WriteString(c.Value)
		}
	}
	text, err := base64.StdEncoding.DecodeString(encoded.String())
	if err != nil {
		return nil, fmt.Errorf("the UI's cookies: %w", err)
	}
	var user struct {
		AccessToken string `json:"AccessToken"`
		IDToken     string `json:"IDToken"`
	}
	if err := json.Unmarshal(text, &user); err != nil || user.AccessToken == "" {
		return nil, errors.Join(errors.New("the UI's cookies hold no access token: log in to the UI first"), err)
	}
	return http.Header{"Authorization": {"Bearer " + user.AccessToken}, "Authorization-Extras": {user.IDToken}, "Content-Type": {"application/json"}}, nil
}

// browse makes one request. It returns where the answer leads to, or what it
// says.
func browse(ctx context.Context, web *http.Client, method, to string, h http.Header, body []byte) (status int, said string, err error) {
	q, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if h != nil {
		q.Header = h
	}
	res, err := web.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if to := res.Header.Get("Location"); to != "" {
		return res.StatusCode, to, err
	}
	return res.StatusCode, string(text), err
}
