// Package certauthority owns a certificate authority that can vouch for one host and for nothing else: its key,
// its certificate with the critical name constraints that say so, and the leaf certificates that it issues. It
// knows nothing of who serves the host, and makes no client trust it.
package certauthority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// Lifetimes of certificates. A leaf lives no longer than clients accept of a public one.
const (
	AuthorityLifetime = 10 * 365 * 24 * time.Hour
	LeafLifetime      = 397 * 24 * time.Hour
	// skew is how far a client's clock may be behind.
	skew = time.Hour
)

// Pair is a certificate and its private key.
type Pair struct {
	Certificate *x509.Certificate
	Key         *ecdsa.PrivateKey
}

// Authority issues certificates for one host.
type Authority struct {
	Pair
	host string
}

// Host is the host that the authority vouches for.
func (a *Authority) Host() string { return a.host }

// New makes an authority for a host, a name in lower case. Whoever gets hold of its key can pass for that host
// at clients that trust the authority, and for no other. That holds where a client applies the constraints of an
// authority that it trusts directly: Go and OpenSSL do, Java does not.
func New(host string, now time.Time) (*Authority, error) {
	template, err := newTemplate(now, AuthorityLifetime)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{Organization: []string{"Gatehouse"}, CommonName: "Gatehouse CA for " + host + " only"}
	template.KeyUsage = x509.KeyUsageCertSign
	template.BasicConstraintsValid, template.IsCA, template.MaxPathLenZero = true, true, true
	template.PermittedDNSDomainsCritical = true
	template.PermittedDNSDomains = []string{host}
	// A kind of name that no constraint speaks of is not constrained: each kind gets one.
	template.PermittedEmailAddresses = []string{host}
	template.PermittedURIDomains = []string{host}
	template.ExcludedIPRanges = []*net.IPNet{
		{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	pair, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return &Authority{pair, host}, nil
}

// Load takes up an authority that New has made, and refuses any that could vouch for more than one host.
func Load(pair Pair) (*Authority, error) {
	c := pair.Certificate
	switch {
	case !c.IsCA || !c.MaxPathLenZero || c.MaxPathLen != 0:
		return nil, errors.New("the certificate is not that of an authority that issues leaf certificates only")
	case !c.PermittedDNSDomainsCritical || len(c.PermittedDNSDomains) != 1 || len(c.ExcludedIPRanges) != 2:
		return nil, errors.New("the authority is not limited to one host: make another with `gatehouse ca init`")
	case !pair.Key.PublicKey.Equal(c.PublicKey):
		return nil, errors.New("the authority's certificate and key are not a pair")
	}
	return &Authority{pair, c.PermittedDNSDomains[0]}, nil
}

// Issue makes a key and a certificate with which a server proves to be the host, or names below it.
func (a *Authority) Issue(now time.Time, names ...string) (Pair, error) {
	if len(names) == 0 {
		names = []string{a.host}
	}
	for _, name := range names {
		if name != a.host && !strings.HasSuffix(name, "."+a.host) {
			return Pair{}, fmt.Errorf("the authority of %s cannot vouch for %s", a.host, name)
		}
	}
	if now.After(a.Certificate.NotAfter) {
		return Pair{}, fmt.Errorf("the authority's own certificate ended on %s: make another with `gatehouse ca init`", a.Certificate.NotAfter.Format(time.DateOnly))
	}
	template, err := newTemplate(now, LeafLifetime)
	if err != nil {
		return Pair{}, err
	}
	if template.NotAfter.After(a.Certificate.NotAfter) {
		template.NotAfter = a.Certificate.NotAfter
	}
	template.Subject = pkix.Name{CommonName: names[0]}
	template.DNSNames = names
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	return sign(template, a.Certificate, key, a.Key)
}

func newTemplate(now time.Time, lifetime time.Duration) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and always of the same length
	template := &x509.Certificate{
		NotBefore: now.Add(-skew).UTC(), NotAfter: now.Add(lifetime).UTC(),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	template.SerialNumber = new(big.Int).SetBytes(serial)
	return template, nil
}

func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	return Pair{certificate, key}, err
}
