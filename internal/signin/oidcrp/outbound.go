package oidcrp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// Bounds of what a provider may cost us.
const (
	requestTimeout = 10 * time.Second
	maxResponse    = 1 << 20
	maxHeader      = 64 << 10
)

var (
	errRedirect = errors.New("the provider answers with a redirect, and those are not followed")
	errTooLarge = fmt.Errorf("the provider's answer is larger than %d bytes", maxResponse)
)

// maxCAFile bounds what is read of a caFile. All public authorities together have a quarter of it.
const maxCAFile = 1 << 20

// readCAFile reads the certificates that a provider is verified by, as they are now; nil for the system's roots.
func readCAFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	pem, _, err := regularfile.Read(path, maxCAFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("caFile: %w", err)
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		return nil, fmt.Errorf("caFile %s has no certificate in PEM", path)
	}
	return pem, nil
}

// newHTTPClient returns the client toward one provider: it follows no redirects, has bounds, and reaches addresses
// that are not public only where the configuration says so. roots are certificates in PEM; nil for the system's.
func newHTTPClient(c identityprovider.OIDCConfig, roots []byte) *http.Client {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != nil {
		tlsConfig.RootCAs = x509.NewCertPool()
		tlsConfig.RootCAs.AppendCertsFromPEM(roots)
	}
	guarded := &net.Dialer{Timeout: requestTimeout, Control: addressGuard(c)}
	transport := func(d *net.Dialer) *http.Transport {
		return &http.Transport{
			DialContext: d.DialContext, TLSClientConfig: tlsConfig, ForceAttemptHTTP2: true, TLSHandshakeTimeout: requestTimeout,
			ResponseHeaderTimeout: requestTimeout, MaxResponseHeaderBytes: maxHeader, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
		}
	}
	direct := transport(guarded)
	// A proxy that the operator has set may be at any address; it, and not we, looks the provider up.
	proxied := transport(&net.Dialer{Timeout: requestTimeout})
	proxied.Proxy = http.ProxyFromEnvironment
	return &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
		Transport:     bounded{direct, proxied},
	}
}

// addressGuard refuses connections to addresses that are not public. It sees what DNS has answered, so a name that
// leads inside is refused like the address itself.
func addressGuard(c identityprovider.OIDCConfig) func(network, address string, _ syscall.RawConn) error {
	loopback := c.LoopbackIssuer()
	return func(_, address string, _ syscall.RawConn) error {
		peer, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		ip := peer.Addr().Unmap()
		if c.AllowPrivateAddresses || isPublic(ip) || loopback && ip.IsLoopback() {
			return nil
		}
		return fmt.Errorf("%s is not a public address; set allowPrivateAddresses if the provider is in a private network", ip)
	}
}

// Ranges that are not public and that netip has no word for.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("fec0::/10"),
}

func isPublic(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(ip) {
			return false
		}
	}
	return true
}

// bounded bounds the bodies of responses.
type bounded struct{ direct, proxied *http.Transport }

// CloseIdleConnections is what http.Client calls.
func (b bounded) CloseIdleConnections() {
	b.direct.CloseIdleConnections()
	b.proxied.CloseIdleConnections()
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	var next http.RoundTripper = b.direct
	if proxy, err := http.ProxyFromEnvironment(r); err != nil || proxy != nil {
		next = b.proxied
	}
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = &boundedBody{response.Body, maxResponse}
	return response, nil
}

// boundedBody fails, rather than ends, where the bound is: half an answer must not look like a whole one.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// statusError reports an answer with another status than 200.
type statusError struct {
	address string
	code    int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answers %d %s", e.address, e.code, http.StatusText(e.code))
}

// getJSON fetches a document.
func getJSON(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return answerOf(client, request)
}

// answerOf sends a request and returns the body of its answer.
func answerOf(client *http.Client, request *http.Request) ([]byte, error) {
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &statusError{request.URL.Redacted(), response.StatusCode}
	}
	return body, nil
}
