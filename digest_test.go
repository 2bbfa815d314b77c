package sallyport_test

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
)

func TestNewDigest(t *testing.T) {
	// SHA-256 of 0000000000000001 64 0000000000000001 61, by sha256sum.
	const want = "sha256:c8cab57fc0e3ba627d30d2e3a4b542300f1c55e56a151ca9ec40da16388a41c0"
	if got := sallyport.NewDigest("d", []byte("a")); got != want {
		t.Errorf("NewDigest = %s, want %s", got, want)
	}
	part := func(s ...string) (b [][]byte) {
		for _, p := range s {
			b = append(b, []byte(p))
		}
		return b
	}
	seen := map[sallyport.Digest]string{}
	for name, d := range map[string]sallyport.Digest{
		"one part":          sallyport.NewDigest("d", part("ab")...),
		"split":             sallyport.NewDigest("d", part("a", "b")...),
		"split elsewhere":   sallyport.NewDigest("d", part("", "ab")...),
		"an empty part":     sallyport.NewDigest("d", part("ab", "")...),
		"no part":           sallyport.NewDigest("dab"),
		"another domain":    sallyport.NewDigest("e", part("ab")...),
		"the domain's tail": sallyport.NewDigest("da", part("b")...),
	} {
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		if !d.Valid() {
			t.Errorf("%s: %s is not valid", name, d)
		}
		seen[d] = name
	}
}

func TestDigestValid(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for in, want := range map[string]bool{
		"sha256:" + hex:                  true,
		"":                               false,
		hex:                              false,
		"sha256:":                        false,
		"sha256:" + hex[2:]:              false,
		"sha256:" + hex + "00":           false,
		"sha256:" + strings.ToUpper(hex): false,
		"sha512:" + hex:                  false,
		"sha256:" + hex[1:] + "g":        false,
		" sha256:" + hex:                 false,
	} {
		if got := sallyport.Digest(in).Valid(); got != want {
			t.Errorf("Digest(%q).Valid() = %t", in, got)
		}
	}
}
