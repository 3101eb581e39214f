package catalog

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
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

// validateUpstream checks what is said about the way to the application. Files are not read here: they are those
// of the machine that serves.
func (s Service) validateUpstream() error {
	scheme, err := validateURL(s.Upstream)
	if err != nil {
		return err
	}
	if s.UpstreamHost != "" && !isAuthority(s.UpstreamHost) {
		return fmt.Errorf("upstreamHost %q must be HOST or HOST:PORT", s.UpstreamHost)
	}
	if s.UpstreamTLS == nil {
		return nil
	}
	if *s.UpstreamTLS != (UpstreamTLS{}) && scheme != "https" {
		return fmt.Errorf("upstreamTls is for https, and the upstream is %q: write https:// or take upstreamTls out", s.Upstream)
	}
	return s.UpstreamTLS.validate()
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
