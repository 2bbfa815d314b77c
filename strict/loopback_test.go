package strict_test

import (
	"net"
	"net/url"
	"testing"

	"github.com/sallyport/sallyport/strict"
)

func TestLoopback(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, host string
		want         bool
	}{
		"IPv4":             {"it is the address of this machine", "127.0.0.1", true},
		"OtherIPv4":        {"the whole of 127.0.0.0/8 is (RFC 1122, 3.2.1.3)", "127.200.3.4", true},
		"IPv6":             {"it is the address of this machine", "::1", true},
		"LongIPv6":         {"the same, written out", "0:0:0:0:0:0:0:1", true},
		"Mapped":           {"a socket for both families shows IPv4 like this", "::ffff:127.0.0.1", true},
		"MappedHex":        {"the same, in other digits", "::ffff:7f00:1", true},
		"Compatible":       {"the form without ffff is an address of the network (RFC 4291, 2.5.5.1)", "::127.0.0.1", false},
		"MappedOther":      {"it is another machine's", "::ffff:192.0.2.1", false},
		"Zone":             {"the zone is an interface's, which could lead elsewhere", "::1%eth0", false},
		"MappedZone":       {"the same", "::ffff:127.0.0.1%eth0", false},
		"Everywhere":       {"a listener there is on every network", "0.0.0.0", false},
		"EverywhereIPv6":   {"the same", "::", false},
		"Private":          {"a private network is a network", "10.0.0.1", false},
		"LinkLocal":        {"the same", "fe80::1", false},
		"Neighbour":        {"it is outside of 127.0.0.0/8", "128.0.0.1", false},
		"Localhost":        {"a resolver decides where a name leads", "localhost", false},
		"LocalhostDot":     {"the same", "localhost.", false},
		"LocalhostCase":    {"the same", "LOCALHOST", false},
		"OfLocalhost":      {"the same", "db.localhost", false},
		"Lookalike":        {"it is a name in a domain of an attacker's choice", "127.0.0.1.evil.example", false},
		"LookalikeDot":     {"it is a name", "127.0.0.1.", false},
		"Short":            {"only some resolvers read it as an address", "127.1", false},
		"Number":           {"the same", "2130706433", false},
		"Hexadecimal":      {"the same", "0x7f.0.0.1", false},
		"LeadingZero":      {"some read it as octal", "127.0.0.01", false},
		"Brackets":         {"a host has none", "[::1]", false},
		"Port":             {"a host has none", "127.0.0.1:80", false},
		"Space":            {"it is no address", " 127.0.0.1", false},
		"Empty":            {"a listener there is on every network", "", false},
		"PathOfASocket":    {"it is no address", "/run/postgresql", false},
		"FullWidthDigit":   {"only some resolvers read it as an address", "127.0.0.\uff11", false},
		"IdeographicPoint": {"the same", "127\u30020\u30020\u30021", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strict.Loopback(tt.host); got != tt.want {
				t.Errorf("Loopback(%q) = %t: %s", tt.host, got, tt.reason)
			}
		})
	}
}

// TestLoopbackOfListeners takes what the system says of sockets that listen.
func TestLoopbackOfListeners(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host, _, err := net.SplitHostPort(l.Addr().String())
	if err != nil || !strict.Loopback(host) {
		t.Errorf("Loopback(%q) = false, %v", host, err)
	}
}

// TestSecureURL: what is no URL to [url.Parse] is not secure either.
func TestSecureURL(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, url string
		want        bool
	}{
		"HTTPS":          {"it is encrypted", "https://login.example.com/realm", true},
		"HTTPSUpper":     {"schemes have no case (RFC 3986, 3.1)", "HTTPS://login.example.com", true},
		"HTTPSNowhere":   {"it has no host", "https:///realm", false},
		"HTTPSPortAlone": {"it has no host", "https://:443/", false},
		"HTTP":           {"it is not", "http://login.example.com", false},
		"IPv4":           {"it stays on this machine", "http://127.0.0.1:8090/x", true},
		"IPv6":           {"the same", "http://[::1]:8090", true},
		"IPv6NoPort":     {"the same", "http://[::1]/", true},
		"Mapped":         {"the same", "http://[::ffff:127.0.0.1]:80", true},
		"Zone":           {"the zone could lead elsewhere", "http://[::1%25eth0]:80", false},
		"User":           {"the address is behind the @", "http://alice@127.0.0.1/", true},
		"AddressAsUser":  {"the host is behind the @", "http://127.0.0.1@evil.example/", false},
		"AddressAndPort": {"port and address are a user's name and password here", "http://127.0.0.1:80@evil.example/", false},
		"EscapedUser":    {"the same", "http://127.0.0.1%40evil.example/", false},
		"Fragment":       {"the host ends before the fragment", "http://evil.example#@127.0.0.1/", false},
		"Query":          {"the host ends before the query", "http://evil.example?@127.0.0.1/", false},
		"Lookalike":      {"it is a name", "http://127.0.0.1.evil.example/", false},
		"Localhost":      {"it is a name", "http://localhost:8090/", false},
		"LocalhostDot":   {"it is a name", "http://localhost.:8090/", false},
		"Everywhere":     {"it is on every network", "http://0.0.0.0/", false},
		"Short":          {"only some resolvers read it as an address", "http://127.1/", false},
		"Backslash":      {"some readers take it for a slash", `http://127.0.0.1:80\@evil.example/`, false},
		"Tab":            {"some readers leave it out", "http://127.0.0.1\t@evil.example/", false},
		"OtherScheme":    {"it is neither", "ftp://127.0.0.1/", false},
		"Opaque":         {"it has no host", "http:127.0.0.1", false},
		"NoScheme":       {"it has no host", "//127.0.0.1/", false},
		"Nothing":        {"it has no host", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			if got := err == nil && strict.SecureURL(u); got != tt.want {
				t.Errorf("SecureURL(%q) = %t, %v: %s", tt.url, got, err, tt.reason)
			}
		})
	}
}
