//go:build !race

package server

import (
	"net"
	"testing"
)

// TestListenEverywhere wants every interface to stay an address that the
// server's parts understand.
func TestListenEverywhere(t *testing.T) {
	for asked, want := range map[string]string{"0.0.0.0:0": "0.0.0.0", "127.0.0.1:0": "127.0.0.1"} {
		a, err := reserve(Options{FrontendAddr: asked, UIAddr: asked})
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []string{a.frontend, a.ui} {
			if host, _, err := net.SplitHostPort(got); err != nil || host != want {
				t.Errorf("asked for %s it is %s, %v", asked, got, err)
			}
		}
	}
}
