package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The comments on the fields below are the reference for users (docs/reference/manifests.md).

// UpstreamTLS says how an https upstream is verified and how the gate proves itself to it. Files are PEM.
type UpstreamTLS struct {
	// A file with the certificates that the upstream is verified by, in place of the system's roots.
	CAFile string `json:"caFile,omitempty"`
	// The name that is verified and sent as SNI, in place of the URL's host.
	ServerName string `json:"serverName,omitempty"`
	// A file with the client certificate; keyFile goes with it.
	CertFile string `json:"certFile,omitempty"`
	// A file with the client certificate's key.
	KeyFile string `json:"keyFile,omitempty"`
	// Takes any certificate: whoever can reach the network between can read and change everything.
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// UpstreamTimeouts bound how long the application may take. Whatever takes longer is answered with 504.
type UpstreamTimeouts struct {
	// Seconds for connecting, and for the TLS handshake after it, 1 to 300. Left out, 10.
	ConnectSec int64 `json:"connectSec,omitempty"`
	// Seconds from when the request is wholly sent until the answer begins, and for which the application may take
	// nothing of a body that is being sent, 1 to 86400. Left out, 60.
	FirstByteSec int64 `json:"firstByteSec,omitempty"`
	// Seconds in which nothing is sent or received once the answer has begun, after which the exchange is cut, 1 to
	// 86400. Left out, nothing is cut: streams and WebSockets may be silent for as long as they like.
	IdleSec int64 `json:"idleSec,omitempty"`
}

// HealthCheck is how each address of the application is asked whether it is well, in the words of Google's health
// checks. The gate asks by itself, over the same protocol as it forwards by, without anybody's name. 200 is healthy, and
// nothing else. An unhealthy address gets no requests while another one is healthy.
type HealthCheck struct {
	// The path that is asked for, with GET; one for which the application needs nobody's name. Left out, /.
	RequestPath string `json:"requestPath,omitempty"`
	// The Host header of the request. Left out, upstreamHost, or else the address.
	Host string `json:"host,omitempty"`
	// Seconds from the beginning of one check to that of the next, 1 to 300. Left out, 5.
	CheckIntervalSec int64 `json:"checkIntervalSec,omitempty"`
	// Seconds that an answer may take, at most checkIntervalSec. Left out, 5, or checkIntervalSec where that is less.
	TimeoutSec int64 `json:"timeoutSec,omitempty"`
	// How many checks in a row must pass for an unhealthy address to be healthy again, 1 to 10. Left out, 2.
	HealthyThreshold int64 `json:"healthyThreshold,omitempty"`
	// How many checks in a row must fail for an address to be unhealthy, 1 to 10. Left out, 2.
	UnhealthyThreshold int64 `json:"unhealthyThreshold,omitempty"`
}

// MaxUpstreams is how many addresses a service may have.
const MaxUpstreams = 64

// UpstreamURLs lists the addresses of the application.
func (s Service) UpstreamURLs() []string {
	if s.Upstream != "" {
		return append([]string{s.Upstream}, s.Upstreams...)
	}
	return s.Upstreams
}

// validateUpstream checks what is said about the way to the application. Files are not read here: they are those
// of the machine that serves.
func (s Service) validateUpstream() error {
	scheme, err := s.validateURLs()
	if err != nil {
		return err
	}
	for _, check := range [...]func() error{s.UpstreamTimeouts.validate, s.HealthCheck.validate} {
		if err := check(); err != nil {
			return err
		}
	}
	if s.UpstreamHost != "" && !isAuthority(s.UpstreamHost) {
		return fmt.Errorf("upstreamHost %q must be HOST or HOST:PORT", s.UpstreamHost)
	}
	if s.UpstreamTLS == nil {
		return nil
	}
	if *s.UpstreamTLS != (UpstreamTLS{}) && scheme != "https" {
		return fmt.Errorf("upstreamTls is for https, and the upstream is %q: write https:// or take upstreamTls out", s.UpstreamURLs()[0])
	}
	return s.UpstreamTLS.validate()
}

// validateURLs returns the scheme of all addresses.
func (s Service) validateURLs() (scheme string, err error) {
	urls := s.UpstreamURLs()
	switch {
	case len(urls) == 0:
		return "", errors.New("upstream is missing: name the URL of the application, http://HOST:PORT, or several in upstreams")
	case s.Upstream != "" && len(s.Upstreams) > 0:
		return "", errors.New("upstreams stands beside upstream: write all addresses into upstreams, and take upstream out")
	case len(urls) > MaxUpstreams:
		return "", fmt.Errorf("upstreams lists %d addresses, and %d is the most: put a load balancer before them", len(urls), MaxUpstreams)
	}
	for i, raw := range urls {
		found, err := validateURL(raw)
		switch {
		case err != nil:
			return "", err
		case i > 0 && found != scheme:
			return "", fmt.Errorf("upstreams must all have one scheme, and %q has another than %q", raw, urls[0])
		case slices.ContainsFunc(urls[:i], func(other string) bool { return sameAddress(other, raw) }):
			return "", fmt.Errorf("upstreams lists %q twice", raw)
		}
		scheme = found
	}
	return scheme, nil
}

// sameAddress reports whether two valid URLs are written alike, but for letters and a slash that do not count.
func sameAddress(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}

func (t *UpstreamTimeouts) validate() error {
	if t == nil {
		return nil
	}
	return inRange("upstreamTimeouts",
		bounded{"connectSec", t.ConnectSec, 300}, bounded{"firstByteSec", t.FirstByteSec, 86400}, bounded{"idleSec", t.IdleSec, 86400})
}

func (c *HealthCheck) validate() error {
	if c == nil {
		return nil
	}
	if err := inRange("healthCheck", bounded{"checkIntervalSec", c.CheckIntervalSec, 300}, bounded{"timeoutSec", c.TimeoutSec, 300},
		bounded{"healthyThreshold", c.HealthyThreshold, 10}, bounded{"unhealthyThreshold", c.UnhealthyThreshold, 10}); err != nil {
		return err
	}
	full := c.WithDefaults()
	switch {
	case !isRequestPath(full.RequestPath):
		return fmt.Errorf("healthCheck.requestPath %q must be a path such as /healthz", c.RequestPath)
	case c.Host != "" && !isAuthority(c.Host):
		return fmt.Errorf("healthCheck.host %q must be HOST or HOST:PORT", c.Host)
	case full.TimeoutSec > full.CheckIntervalSec:
		return fmt.Errorf("healthCheck.timeoutSec %d must not be more than checkIntervalSec, which is %d", full.TimeoutSec, full.CheckIntervalSec)
	}
	return nil
}

// isRequestPath reports whether s may stand in the first line of a request as it is.
func isRequestPath(s string) bool {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.Contains(s, "#") || len(s) > 1024 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	_, err := url.ParseRequestURI(s)
	return err == nil
}

// WithDefaults returns the check with everything written out that was left out.
func (c HealthCheck) WithDefaults() HealthCheck {
	c.RequestPath = cmp.Or(c.RequestPath, "/")
	c.CheckIntervalSec = cmp.Or(c.CheckIntervalSec, 5)
	c.TimeoutSec = cmp.Or(c.TimeoutSec, min(5, c.CheckIntervalSec))
	c.HealthyThreshold, c.UnhealthyThreshold = cmp.Or(c.HealthyThreshold, 2), cmp.Or(c.UnhealthyThreshold, 2)
	return c
}

// bounded is a number that is left out as 0, and else 1 at least.
type bounded struct {
	field      string
	value, max int64
}

func inRange(in string, numbers ...bounded) error {
	for _, n := range numbers {
		if n.value < 0 || n.value > n.max {
			return fmt.Errorf("%s.%s %d must be between 1 and %d", in, n.field, n.value, n.max)
		}
	}
	return nil
}

func validateURL(raw string) (scheme string, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return "", fmt.Errorf("upstream %q must be http://HOST:PORT, or https:// or h2c:// with the same", raw)
	}
	if u.User != nil {
		return "", errors.New("the upstream must hold no user name and no password")
	}
	switch u.Scheme {
	case "http", "https", "h2c":
	case "ws", "wss":
		return "", fmt.Errorf("upstream %q: write http or https for %s, WebSockets pass through both", raw, u.Scheme)
	case "grpc", "h2":
		return "", fmt.Errorf("upstream %q: write https, or h2c without TLS, for %s", raw, u.Scheme)
	default:
		return "", fmt.Errorf("upstream %q: the scheme %q must be http, https or h2c", raw, u.Scheme)
	}
	if strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#") {
		return "", fmt.Errorf("upstream %q must end after the port: paths reach the application as the client wrote them", raw)
	}
	if !isAuthority(u.Host) {
		return "", fmt.Errorf("upstream %q must name a host, and a port between 1 and 65535", raw)
	}
	return u.Scheme, nil
}

// isAuthority reports whether s is HOST or HOST:PORT, which may stand in a Host header.
func isAuthority(s string) bool {
	u, err := url.Parse("//" + s)
	if err != nil || u.Host != s || u.User != nil || strings.HasSuffix(s, ":") {
		return false
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	return isHostName(u.Hostname())
}

// isHostName reports whether a name can be looked up: more than CanonicalHost takes, since names inside of networks
// have underscores.
func isHostName(name string) bool {
	if address, err := netip.ParseAddr(name); err == nil {
		return address.Zone() == ""
	}
	if _, err := CanonicalHost(strings.ReplaceAll(name, "_", "x")); err != nil {
		return false
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return false
		}
	}
	return true
}

func (t UpstreamTLS) validate() error {
	for _, file := range [...]struct{ field, path string }{{"caFile", t.CAFile}, {"certFile", t.CertFile}, {"keyFile", t.KeyFile}} {
		if file.path != "" && (!filepath.IsAbs(file.path) || strings.ContainsRune(file.path, 0)) {
			return fmt.Errorf("upstreamTls.%s %q must be an absolute path: the server runs in a directory of its own", file.field, file.path)
		}
	}
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		return errors.New("upstreamTls.certFile needs its keyFile")
	case t.KeyFile != "" && t.CertFile == "":
		return errors.New("upstreamTls.keyFile needs its certFile")
	case t.InsecureSkipVerify && t.CAFile != "":
		return errors.New("upstreamTls.caFile verifies nothing beside insecureSkipVerify: take one of them out")
	case t.ServerName != "" && (!isHostName(t.ServerName) || strings.ContainsAny(t.ServerName, ":[]")):
		return fmt.Errorf("upstreamTls.serverName %q must be a name such as app.internal, without a port", t.ServerName)
	}
	return nil
}
