package strict

import (
	"net/netip"
	"net/url"
)

// LoopbackRule names in errors what [Loopback] accepts.
const LoopbackRule = "loopback addresses (127.0.0.0/8 and ::1; write 127.0.0.1, not localhost)"

// Loopback reports whether a host, as [net.SplitHostPort] and
// [url.URL.Hostname] return it, is an address of this machine alone:
// 127.0.0.0/8 or ::1, also as an IPv4-mapped IPv6 address, without a zone. A
// name never is, because a resolver decides where it leads; localhost is a name.
func Loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// SecureURL reports whether the network cannot read or change what is sent to a
// URL: it is https, or http to a loopback address.
func SecureURL(u *url.URL) bool {
	return u.Scheme == "https" && u.Hostname() != "" || u.Scheme == "http" && Loopback(u.Hostname())
}
