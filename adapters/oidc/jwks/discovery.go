package jwks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport/strict"
)

// maxResponse bounds an issuer's response, in bytes.
const maxResponse = 1 << 20

// fetch gets the issuer's keys from an endpoint, or where it is "" from the
// one that discovery names, which it returns.
func (r *Remote) fetch(ctx context.Context, endpoint string) ([]jose.JSONWebKey, string, error) {
	if endpoint == "" {
		var err error
		if endpoint, err = r.discover(ctx); err != nil {
			return nil, "", err
		}
	}
	data, err := r.get(ctx, endpoint)
	if err != nil {
		return nil, "", err
	}
	keys, err := Parse(data)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", endpoint, err)
	}
	return keys, endpoint, nil
}

// discover reads the issuer's jwks_uri (OpenID Connect Discovery 1.0, section
// 4). A document of another issuer is rejected.
func (r *Remote) discover(ctx context.Context) (string, error) {
	document := strings.TrimSuffix(r.issuer, "/") + "/.well-known/openid-configuration"
	data, err := r.get(ctx, document)
	if err != nil {
		return "", err
	}
	var metadata struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(data, &metadata); err != nil {
		return "", fmt.Errorf("%s: not a discovery document: %w", document, err)
	}
	if metadata.Issuer != r.issuer {
		return "", fmt.Errorf("%s: is of issuer %q and must be of %q", document, metadata.Issuer, r.issuer)
	}
	u, err := url.Parse(metadata.Keys)
	if err != nil || !strict.SecureURL(u) {
		return "", fmt.Errorf("%s: jwks_uri %q must be https (plain http is only for the %s)", document, metadata.Keys, strict.LoopbackRule)
	}
	return metadata.Keys, nil
}

func (r *Remote) get(ctx context.Context, from string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: answered %s (redirects are not followed)", from, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	if len(data) > maxResponse {
		return nil, fmt.Errorf("%s: the response is longer than %d bytes", from, maxResponse)
	}
	return data, nil
}
