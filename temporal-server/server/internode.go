//go:build !race

package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

const (
	// internodeName is the name in the certificate of the server's parts. It is
	// no host: one process has the one certificate.
	internodeName = "internode.sallyport.invalid"
	// internodeLifetime is longer than any process lives. The keys are in its
	// memory alone and end with it, so that expiry would protect from nothing.
	internodeLifetime = 10 * 365 * 24 * time.Hour
	internodeBackdate = time.Hour // clocks are set back now and then
)

// internode authenticates the parts of one server to each other. History,
// matching, worker and internal frontend authorize no request, so that a client
// must have the one certificate of this process to reach them.
type internode struct {
	certificate tls.Certificate
	authority   *x509.CertPool
}

// newInternode makes an authority that signs one certificate, and drops the
// authority's key, so that no further certificate can be made.
func newInternode(now time.Time) (*internode, error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw the internode authority's key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw the internode key: %w", err)
	}
	authority := internodeTemplate(now, 1)
	authority.Subject.CommonName = "internode authority"
	authority.IsCA, authority.BasicConstraintsValid, authority.MaxPathLenZero = true, true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	root, err := issue(authority, authority, authorityKey, authorityKey)
	if err != nil {
		return nil, err
	}
	leaf := internodeTemplate(now, 2)
	leaf.DNSNames = []string{internodeName}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	certificate, err := issue(leaf, root, key, authorityKey)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &internode{
		certificate: tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate},
		authority:   pool,
	}, nil
}

func internodeTemplate(now time.Time, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: internodeName},
		NotBefore:    now.Add(-internodeBackdate),
		NotAfter:     now.Add(internodeLifetime),
	}
}

func issue(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("issue an internode certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

func (i *internode) server() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
		Certificates: []tls.Certificate{i.certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    i.authority,
	}
}

func (i *internode) client() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
		Certificates: []tls.Certificate{i.certificate},
		RootCAs:      i.authority,
		ServerName:   internodeName,
	}
}
