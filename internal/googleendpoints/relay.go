package googleendpoints

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of a relayed exchange.
const (
	relayTimeout  = 60 * time.Second
	relayMaxBody  = 64 << 20
	relayAtOnce   = 64
	relayMaxLines = 64 << 10 // of response headers
)

// via marks what we send out, so that it is known when it comes back to us in a circle.
const via = "1.1 gatehouse-www.gstatic.com"

// Relay fetches what is asked for from the real www.gstatic.com, over TLS that it verifies.
type Relay struct {
	transport http.RoundTripper
	log       *slog.Logger
	places    chan struct{}
	maxBody   int64
	timeout   time.Duration

	mu     sync.Mutex
	logged map[string]time.Time // when a cause was last logged
}

// RelayOptions say how the real host is found.
type RelayOptions struct {
	// Address is the HOST:PORT to connect to; empty looks www.gstatic.com up.
	Address string
	// Resolver is the HOST:PORT of the DNS server to ask; empty asks as the system does, its hosts file included.
	Resolver string
	// Dial connects to www.gstatic.com in place of all that; nil looks for it as the other fields say.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// OwnPorts are those at which we listen ourselves.
	OwnPorts []string
	// Roots are who may vouch for the real host; nil is the system's.
	Roots *x509.CertPool
	Log   *slog.Logger
}

// NewRelay makes a relay. It connects to nothing yet.
func NewRelay(o RelayOptions) *Relay {
	if o.Dial == nil {
		o.Dial = newDialer(o).dial
	}
	return &Relay{
		transport: &http.Transport{
			DialContext:            o.Dial, // Proxy stays nil: nobody stands between us and whom we verify
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, ServerName: GStaticHost, RootCAs: o.Roots},
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // what is compressed passes as it is
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  20 * time.Second,
			IdleConnTimeout:        time.Minute,
			MaxIdleConnsPerHost:    8,
			MaxResponseHeaderBytes: relayMaxLines,
		},
		log: o.Log, places: make(chan struct{}, relayAtOnce), maxBody: relayMaxBody, timeout: relayTimeout,
		logged: map[string]time.Time{},
	}
}

// asked are the request headers that pass. All others stay here: the real host learns nothing of who asks.
var asked = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
	"If-Unmodified-Since", "Range", "User-Agent",
}

func (relay *Relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(strings.Join(r.Header.Values("Via"), ","), via) {
		relay.fail(w, errLoop)
		return
	}
	select {
	case relay.places <- struct{}{}:
		defer func() { <-relay.places }()
	default:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "too many requests are relayed to "+GStaticHost+" already")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), relay.timeout)
	defer cancel()
	response, err := relay.transport.RoundTrip(outgoing(ctx, r))
	if err != nil {
		relay.fail(w, err)
		return
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode < http.StatusOK:
		relay.fail(w, errors.New("the real host wants to speak another protocol"))
	case r.Method == http.MethodGet && response.ContentLength > relay.maxBody:
		relay.fail(w, errTooLarge)
	default:
		relay.answer(w, r, response)
	}
}

func outgoing(ctx context.Context, r *http.Request) *http.Request {
	out := &http.Request{
		Method: r.Method, Host: GStaticHost, Header: http.Header{"Via": {via}, "User-Agent": nil}, // nil keeps net/http's own out
		URL: &url.URL{Scheme: "https", Host: GStaticHost, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
	}
	for _, name := range asked {
		if values := r.Header.Values(name); len(values) > 0 {
			out.Header[name] = values
		}
	}
	return out.WithContext(ctx)
}

// hopByHop are the response headers that belong to one connection, and those by which the real host would speak of
// itself as reachable in ways that we are not.
var hopByHop = []string{
	"Alt-Svc", "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Set-Cookie", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// answer hands a response on. A body that breaks off, or is larger than the limit, breaks the connection: nobody
// takes a part for the whole.
func (relay *Relay) answer(w http.ResponseWriter, r *http.Request, response *http.Response) {
	header := w.Header()
	dropped := slices.Clone(hopByHop)
	for _, field := range response.Header.Values("Connection") {
		for name := range strings.SplitSeq(field, ",") {
			dropped = append(dropped, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	for name, values := range response.Header {
		if !slices.Contains(dropped, name) {
			header[name] = values
		}
	}
	w.WriteHeader(response.StatusCode)
	if r.Method == http.MethodHead {
		return
	}
	copied, err := io.Copy(w, io.LimitReader(response.Body, relay.maxBody))
	if err == nil && copied == relay.maxBody {
		if n, _ := response.Body.Read(make([]byte, 1)); n > 0 {
			err = errTooLarge
		}
	}
	if err != nil {
		relay.report(err)
		panic(http.ErrAbortHandler)
	}
}

var errTooLarge = errors.New("the answer is larger than the relay allows")

// fail answers that the real host could not be asked, with what its operator can do about it.
func (relay *Relay) fail(w http.ResponseWriter, err error) {
	relay.report(err)
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var timeout net.Error
	switch {
	case errors.Is(err, errLoop):
		refuse(w, http.StatusLoopDetected, errLoop.Error())
	case errors.Is(err, errTooLarge):
		refuse(w, http.StatusBadGateway, errTooLarge.Error())
	case errors.As(err, &unknown), errors.As(err, &wrongHost):
		refuse(w, http.StatusBadGateway, "what answers for the real "+GStaticHost+" cannot prove that it is: the request was not sent")
	case errors.As(err, &timeout) && timeout.Timeout():
		refuse(w, http.StatusGatewayTimeout, "the real "+GStaticHost+" did not answer in time")
	default:
		refuse(w, http.StatusBadGateway, "the real "+GStaticHost+" could not be reached from this server; its log says why")
	}
}

// report logs a cause once a minute: clients may ask often.
func (relay *Relay) report(err error) {
	if errors.Is(err, context.Canceled) {
		return // the client is gone
	}
	cause := err.Error()
	relay.mu.Lock()
	now := time.Now()
	last, known := relay.logged[cause]
	quiet := known && now.Sub(last) < time.Minute
	if !quiet {
		if len(relay.logged) > 100 {
			clear(relay.logged)
		}
		relay.logged[cause] = now
	}
	relay.mu.Unlock()
	if !quiet {
		relay.log.Warn("a request for "+GStaticHost+" could not be relayed to the real host", "error", err)
	}
}
