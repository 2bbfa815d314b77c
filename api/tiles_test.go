package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/api"
)

// TestTileReaders: the configuration says which callers read the log; without one
// the API serves no tile.
func TestTileReaders(t *testing.T) {
	for readers, want := range map[api.TileReaders]struct {
		audra, anonymous int
		cache            string
	}{
		"":                {http.StatusNotFound, http.StatusNotFound, ""},
		api.TilesNobody:   {http.StatusNotFound, http.StatusNotFound, ""},
		api.TilesAuditors: {http.StatusOK, http.StatusUnauthorized, "private, max-age=31536000, immutable"},
		api.TilesAnyone:   {http.StatusOK, http.StatusOK, "public, max-age=31536000, immutable"},
		"everybody":       {http.StatusNotFound, http.StatusNotFound, ""},
	} {
		g := newGateway(t)
		g.options.Tiles = readers
		h := g.server(t).Handler()
		for who, status := range map[string]int{"Bearer audra": want.audra, "": want.anonymous} {
			w := send(h, request(t, http.MethodGet, "/ledger/tile/entries/000", "", "Authorization", who))
			if w.Code != status || status == http.StatusOK && (w.Body.String() != "leaves" || w.Header().Get("Cache-Control") != want.cache) {
				t.Errorf("%q may read, and %q got %d %s, %v; want %d", readers, who, w.Code, w.Body, w.Header(), status)
			}
			w = send(h, request(t, http.MethodGet, "/ledger/checkpoint", "", "Authorization", who))
			if w.Code != status || status == http.StatusOK && !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
				t.Errorf("%q may read, and %q got the checkpoint as %d, %v", readers, who, w.Code, w.Header())
			}
		}
	}
}
