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

func TestCallID(t *testing.T) {
	id := sallyport.CallID([16]byte{0xff, 1, 2})
	if len(id) != 26 || !sallyport.ValidCallID(id) {
		t.Fatalf("CallID = %q", id)
	}
	for name, tt := range map[string]struct{ reason, id string }{
		"Empty":       {"nothing names nothing", ""},
		"Upper":       {"two spellings would be two workflows", strings.ToUpper(id)},
		"Short":       {"it has 128 bits", id[:25]},
		"Long":        {"it has 128 bits", id + "a"},
		"StrayBits":   {"the last character has two bits to spare; two spellings would be two workflows", id[:25] + "b"},
		"Alphabet":    {"base32 has no 1", "1" + id[1:]},
		"Kelvin":      {"a letter whose lower or upper case is another's", "ſ" + id[1:]},
		"Slash":       {"it goes into paths", "../" + id[3:]},
		"LineFeed":    {"decoders skip it", id[:13] + "\n" + id[13:]},
		"OnlyPadding": {"decoders skip it", strings.Repeat("=", 26)},
	} {
		t.Run(name, func(t *testing.T) {
			if sallyport.ValidCallID(tt.id) {
				t.Errorf("%q is taken for an id: %s", tt.id, tt.reason)
			}
		})
	}
}
