package upstream

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"

	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// digest stands for what the files of a configuration held.
type digest [sha256.Size]byte

// maxFile bounds what is read of a file; the bundle of all public authorities is a quarter of it.
const maxFile = 1 << 20

// sessionsKept are the TLS sessions remembered of one upstream. Idle connections close after seconds; the next
// handshake is a cheap one.
const sessionsKept = 32

// load reads the files of a configuration. Configurations without TLS have none, and no tls.Config.
func load(c Config) (*tls.Config, digest, error) {
	scheme, address, err := split(c.URL)
	if err != nil || scheme != "https" {
		return nil, digest{}, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, digest{}, err
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: cmp.Or(c.TLS.ServerName, host), InsecureSkipVerify: c.TLS.InsecureSkipVerify,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessionsKept),
	}
	sum := sha256.New()
	read := func(what, path string) ([]byte, error) {
		content, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", what, len(content), content) // a hash takes everything
		return content, nil
	}
	if path := c.TLS.CAFile; path != "" {
		content, err := read("caFile", path)
		if err != nil {
			return nil, digest{}, err
		}
		if config.RootCAs, err = parseRoots(content); err != nil {
			return nil, digest{}, fmt.Errorf("caFile %s: %w", path, err)
		}
	}
	if c.TLS.CertFile != "" || c.TLS.KeyFile != "" {
		cert, err := read("certFile", c.TLS.CertFile)
		if err != nil {
			return nil, digest{}, err
		}
		key, err := read("keyFile", c.TLS.KeyFile)
		if err != nil {
			return nil, digest{}, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, digest{}, fmt.Errorf("certFile %s and keyFile %s do not make a client certificate: %w", c.TLS.CertFile, c.TLS.KeyFile, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, digest(sum.Sum(nil)), nil
}

// readFile reads an ordinary file. Anything else, such as a pipe, could hold up the snapshot for everybody.
func readFile(path string) ([]byte, error) {
	if path == "" {
		return nil, errors.New("no file is named")
	}
	content, _, err := regularfile.Read(path, maxFile)
	return content, err
}

// parseRoots reads certificates, and nothing else: an authority that is skipped in silence is missed much later.
func parseRoots(content []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	count := 0
	begun := bytes.Count(content, []byte("-----BEGIN "))
	for {
		var block *pem.Block
		block, content = pem.Decode(content)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s, where only certificates belong", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", count+1, err)
		}
		pool.AddCert(certificate)
		count++
	}
	if count == 0 {
		return nil, errors.New("holds no certificate in PEM")
	}
	if count != begun { // pem.Decode passes over what it cannot read
		return nil, fmt.Errorf("only %d of its %d certificates are whole PEM", count, begun)
	}
	return pool, nil
}
