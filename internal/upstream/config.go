package upstream

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Config is the configuration of an upstream; equal configurations in canonical form share one pool.
type Config struct {
	URL  string // SCHEME://HOST[:PORT]; the schemes are http, https and h2c
	Host string // replaces the Host header; empty keeps the client's
	TLS  TLS    // of https
}

// TLS says how an https upstream is verified and how we prove ourselves to it. Files are PEM.
type TLS struct {
	CAFile             string // replaces the system's roots
	ServerName         string // replaces the URL's host in verification and SNI
	CertFile           string // the client certificate with its chain
	KeyFile            string // the key of CertFile
	InsecureSkipVerify bool   // takes any certificate
}

// Files lists the files that the configuration names.
func (c Config) Files() []string {
	var files []string
	for _, file := range [...]string{c.TLS.CAFile, c.TLS.CertFile, c.TLS.KeyFile} {
		if file != "" {
			files = append(files, file)
		}
	}
	return files
}

// Canonical returns the form in which equal configurations are equal: lower case, and the port written out. What
// cannot be read stays as it is, for Check to complain about.
func (c Config) Canonical() Config {
	if scheme, address, err := split(c.URL); err == nil {
		c.URL = scheme + "://" + address
	}
	return c
}

// Check reports what keeps the upstream from being used: its URL or its files. It connects to nothing.
func (c Config) Check() error {
	_, _, err := load(c)
	return err
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "h2c": "80"}

// split takes the URL of an upstream apart, and writes its port out.
func split(raw string) (scheme, address string, err error) {
	u, err := url.Parse(raw)
	if err != nil || defaultPorts[u.Scheme] == "" || u.Hostname() == "" {
		return "", "", fmt.Errorf("the upstream %q is not http://, https:// or h2c:// with HOST:PORT", raw)
	}
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	host := strings.ToLower(u.Hostname())
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	}
	return u.Scheme, net.JoinHostPort(host, port), nil
}
