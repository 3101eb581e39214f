package upstream

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config is the configuration of an upstream; equal configurations in canonical form share their addresses.
type Config struct {
	// URL is SCHEME://HOST[:PORT]; the schemes are http, https and h2c. Several addresses are several URLs of one
	// scheme, separated by spaces.
	URL         string
	Host        string // replaces the Host header; empty keeps the client's
	TLS         TLS    // of https
	Timeouts    Timeouts
	HealthCheck HealthCheck
}

// TLS says how an https upstream is verified and how we prove ourselves to it. Files are PEM.
type TLS struct {
	CAFile             string // replaces the system's roots
	ServerName         string // replaces the URL's host in verification and SNI
	CertFile           string // the client certificate with its chain
	KeyFile            string // the key of CertFile
	InsecureSkipVerify bool   // takes any certificate
}

// Timeouts bound how long an application may take. Zero stands for the default of each.
type Timeouts struct {
	// Connect bounds connecting, and the TLS handshake after it.
	Connect time.Duration
	// FirstByte bounds the time from when the request is wholly sent until the answer begins, and the time for which
	// the application takes nothing of a body that is being sent.
	FirstByte time.Duration
	// Idle bounds the time in which nothing is received or sent once the answer has begun. Zero does not.
	Idle time.Duration
}

// The timeouts of a service that names none.
const (
	DefaultConnect   = 10 * time.Second
	DefaultFirstByte = 60 * time.Second
)

// HealthCheck is how addresses are asked whether they are well. The zero value asks nothing.
type HealthCheck struct {
	Path               string // of the request; empty for no check
	Host               string // its Host header; empty for that of the configuration, or the address
	Interval, Timeout  time.Duration
	Healthy, Unhealthy int // how many answers of a kind, one after another, change what is thought of an address
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

// Canonical returns the form in which equal configurations are equal: lower case, ports and defaults written out,
// addresses in order. What cannot be read stays as it is, for Check to complain about.
func (c Config) Canonical() Config {
	urls := strings.Fields(c.URL)
	for i, raw := range urls {
		if scheme, address, err := split(raw); err == nil {
			urls[i] = scheme + "://" + address
		}
	}
	slices.Sort(urls)
	c.URL = strings.Join(slices.Compact(urls), " ")
	c.Timeouts.Connect = cmp.Or(c.Timeouts.Connect, DefaultConnect)
	c.Timeouts.FirstByte = cmp.Or(c.Timeouts.FirstByte, DefaultFirstByte)
	return c
}

// single returns the configuration of each address by itself.
func (c Config) single() []Config {
	urls := strings.Fields(c.URL)
	if len(urls) == 0 {
		return []Config{c}
	}
	configs := make([]Config, len(urls))
	for i, raw := range urls {
		configs[i] = c
		configs[i].URL = raw
	}
	return configs
}

// Check reports what keeps the upstream from being used: its URLs or its files. It connects to nothing.
func (c Config) Check() error {
	for _, single := range c.single() {
		if _, _, err := load(single); err != nil {
			return err
		}
	}
	return nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "h2c": "80"}

// split takes the URL of an address apart, and writes its port out.
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
