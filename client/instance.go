package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// InstanceFile is the file in which a development instance describes itself, in
// its directory.
const InstanceFile = "dev.json"

// Instance is a development instance of the gateway on this machine.
type Instance struct {
	PID              int    `json:"pid"`
	Token            string `json:"token"` // known to the instance and to readers of the file
	API              string `json:"api"`
	Temporal         string `json:"temporal"`
	TemporalUI       string `json:"temporal_ui"`
	IdentityProvider string `json:"identity_provider"`
	Dir              string `json:"dir"`
}

// ReadInstance reads what the instance in dir says of itself. It may not be
// running any more.
func ReadInstance(dir string) (Instance, error) {
	var i Instance
	b, err := os.ReadFile(filepath.Join(dir, InstanceFile))
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(b, &i); err != nil {
		return i, fmt.Errorf("%s can't be read: %w", filepath.Join(dir, InstanceFile), err)
	}
	return i, nil
}

// IdentityToken asks the instance's identity provider for a token as one of
// its identities. The instance must recognise its own token.
func (i Instance) IdentityToken(ctx context.Context, as, audience string) (string, error) {
	b, err := json.Marshal(map[string]string{"as": as, "audience": audience})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.IdentityProvider+"/dev/token", bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sallyport-Instance-Token", i.Token)
	resp, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		return "", fmt.Errorf("the development instance does not respond; start it with `make dev`: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the development identity provider has no token for %q: %s", as, bytes.TrimSpace(body))
	}
	var response struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &response); err != nil || response.Token == "" {
		return "", errors.New("the development identity provider's response can't be read")
	}
	return response.Token, nil
}
