package integration

import (
	"testing"

	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// TestGuarantees has the gateway ask our server what it guarantees, with its
// authorization and without.
func TestGuarantees(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]bool{"Authorized": false, "Open": true} {
		t.Run(name, func(t *testing.T) {
			server := temporaltest.Start(t, temporaltest.Options{Open: open})
			for _, role := range []authz.Role{authz.Gateway, authz.Worker} {
				got, err := temporal.Inspect(t.Context(), server.Dial(t, server.Service(role)), server.Dial(t, server.Anonymous()), "default")
				if err != nil {
					t.Fatal(err)
				}
				if !got.Principals || got.Version == "" || got.Authenticates == open || got.AllowList == open {
					t.Errorf("as %s: %+v", role, got)
				}
			}
		})
	}
}
