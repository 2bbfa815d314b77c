package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/adapters/temporal"
)

const (
	codecUI     = "https://temporal.example.com"
	codecPeople = "https://login.example.com"
)

// codecHarness is a gateway as far as the codec needs one, and the key of its
// people's issuer.
func codecHarness(t *testing.T) (*Gateway, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	dir := t.TempDir()
	for file, content := range map[string]string{
		"people.jwks": fmt.Sprintf(`{"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "x": %q, "y": %q}]}`, encode(point[1:33]), encode(point[33:])),
		"identities.yaml": `issuers:
  - {url: "https://agents.example.com", kind: agent, audiences: [sallyport], jwks: people.jwks}
  - {url: "` + codecPeople + `", kind: person, audiences: [sallyport], jwks: people.jwks}
agents:
  - {id: deploy-bot, issuer: "https://agents.example.com", subject: "system:serviceaccount:agents:bot", owner: bob, clients: [bot-app]}
people:
  - id: bob
    accounts: [{issuer: "` + codecPeople + `", subject: bob}]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &Gateway{}
	g.o.Config.Temporal.UI, g.o.Config.Temporal.UIAudience = codecUI, "temporal"
	if g.ids, err = oidc.New(t.Context(), oidc.Options{
		Table: filepath.Join(dir, "identities.yaml"), Client: http.DefaultClient, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}); err != nil {
		t.Fatal(err)
	}
	if g.codec, err = temporal.NewCodec(temporal.Key{ID: "k1", Secret: make([]byte, 32)}); err != nil {
		t.Fatal(err)
	}
	return g, key
}

// bobsToken is bob's access token for the Temporal UI, with changes.
func bobsToken(t *testing.T, key *ecdsa.PrivateKey, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": codecPeople, "sub": "bob", "aud": "temporal", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 600}
	maps.Copy(claims, changes)
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"ES256","kid":"1","typ":"at+jwt"}`)) + "." + encode(payload)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// TestCodecIsForPeople decodes payloads for people's own tokens alone.
func TestCodecIsForPeople(t *testing.T) {
	g, key := codecHarness(t)
	door := g.withCodec(http.NotFoundHandler())
	for name, tt := range map[string]struct {
		claims map[string]any
		want   int
	}{
		"Bob":           {nil, http.StatusOK},
		"PublicClient":  {map[string]any{"azp": "temporal-ui", "client_id": "temporal-ui"}, http.StatusOK},
		"Actor":         {map[string]any{"act": map[string]any{"sub": "deploy-bot"}}, http.StatusUnauthorized},
		"ActorNull":     {map[string]any{"act": nil}, http.StatusUnauthorized},
		"ActorText":     {map[string]any{"act": "x"}, http.StatusUnauthorized},
		"AgentsID":      {map[string]any{"azp": "deploy-bot"}, http.StatusUnauthorized},
		"AgentsClient":  {map[string]any{"client_id": "bot-app"}, http.StatusUnauthorized},
		"AgentsSubject": {map[string]any{"azp": "system:serviceaccount:agents:bot"}, http.StatusUnauthorized},
		"ForTheAPI":     {map[string]any{"aud": "sallyport"}, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, CodecPath+"/decode", strings.NewReader(`{"payloads": []}`))
			r.Header.Set("Authorization", "Bearer "+bobsToken(t, key, tt.claims))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			door.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("answered with %d, want %d: %s", w.Code, tt.want, w.Body)
			}
		})
	}
}
