package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
)

// TestTokensGoByTLS: without TLS they go to loopback addresses, and to hosts
// that the user names.
func TestTokensGoByTLS(t *testing.T) {
	for _, tt := range []struct {
		base, token string
		plain       []string
		refused     bool
	}{
		{"https://sallyport.example.com", "t", nil, false},
		{"http://127.0.0.1:8080", "t", nil, false},
		{"http://[::1]:8080", "t", nil, false},
		{"http://sallyport.example.com", "", nil, false},
		{"http://sallyport.example.com", "t", nil, true},
		{"http://localhost:8080", "t", nil, true},
		{"http://127.0.0.1.example.com", "t", nil, true},
		{"http://sallyport-api.sallyport.svc", "t", []string{"sallyport-api.sallyport.svc"}, false},
		{"http://sallyport-api.sallyport.svc:8080", "t", []string{"sallyport-api.sallyport.svc"}, false},
		{"http://other.example.com", "t", []string{"sallyport-api.sallyport.svc"}, true},
		{"http://sallyport.example.com", "t", []string{""}, true},
	} {
		_, err := client.New(tt.base, tt.token, tt.plain...)
		if (err != nil) != tt.refused || err != nil && !strings.Contains(err.Error(), "--plain-http") {
			t.Errorf("%s with %q, plain to %q: %v", tt.base, tt.token, tt.plain, err)
		}
	}
}

// TestRedirectsAreNotFollowed: a token stays with the gateway that it was for.
func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	gateway := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer gateway.Close()
	c, err := client.New(gateway.URL, "t")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), strings.Repeat("a", 26), 0); err == nil || asked != 0 {
		t.Errorf("error %v, and %d requests came to the other server", err, asked)
	}
}
