package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Certificate is one that was made for a run, with its key, in the forms in which servers and their clients want it.
type Certificate struct {
	Pair   tls.Certificate // with its Leaf
	PEM    []byte
	KeyPEM []byte // PKCS #8
}

// SelfSigned makes a certificate for hosts and IP addresses that vouches for itself: who trusts it takes it as it is.
func SelfSigned(names ...string) *Certificate {
	template := forServers(names[0], names)
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	return sign(template, nil)
}

// NewAuthority makes an authority's certificate, which issues others.
func NewAuthority(name string) *Certificate {
	return sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
}

// Issue makes a certificate of an authority's, by which a server is known at hosts and IP addresses, and a client by the
// common name of its subject.
func (c *Certificate) Issue(commonName string, names ...string) *Certificate {
	template := forServers(commonName, names)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return sign(template, c)
}

// Pool trusts the certificate, and what it has issued.
func (c *Certificate) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Pair.Leaf)
	return pool
}

func forServers(commonName string, names []string) *x509.Certificate {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: commonName}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

// sign makes a key and its certificate, by an authority or, without one, by itself. It panics instead of returning an
// error, for nothing but a name in a test's own source can be wrong, and a TestMain has no test to fail.
func sign(template *x509.Certificate, by *Certificate) *Certificate {
	serial := must(rand.Int(rand.Reader, big.NewInt(1<<62)))
	template.SerialNumber, template.BasicConstraintsValid = serial, true
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	parent, signer := template, any(key)
	if by != nil {
		parent, signer = by.Pair.Leaf, by.Pair.PrivateKey
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))
	return &Certificate{
		Pair:   tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))},
		PEM:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		KeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}),
	}
}

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}
