// Package interception is a forward proxy for one developer's own programs, which leads two hosts of Google's to
// handlers of ours: www.gstatic.com, for which it ends TLS, and metadata.google.internal. All else passes
// untouched, through the developer's own proxy where there is one. It owns the proxy and the environment that leads
// programs to it. What the two hosts answer is handed in.
//
// Whoever may use it gets the network as this process has it, so it listens on loopback only and wants a credential
// that it draws at each start.
package interception

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
)

// The hosts that are led to us.
const (
	GStaticHost  = "www.gstatic.com"
	MetadataHost = "metadata.google.internal"
)

// keysBelow is what of www.gstatic.com is ours over plain HTTP, too: a program that asks for it so must not be handed
// Google's own keys in the place of ours.
const keysBelow = "/iap/verify"

const (
	readHeaderTimeout = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	dialTimeout       = 30 * time.Second
	maxHeaderBytes    = 64 << 10
)

// Options are what a proxy is made of.
type Options struct {
	// GStatic answers for www.gstatic.com, and Certificate proves to be it.
	GStatic     http.Handler
	Certificate tls.Certificate
	// Metadata answers for metadata.google.internal.
	Metadata http.Handler
	// Outside leads to all other hosts.
	Outside *Outside
	Log     *slog.Logger
}

// Proxy is one running proxy.
type Proxy struct {
	options    Options
	listener   net.Listener
	credential string // the value of Proxy-Authorization
	secret     string
	forward    *httputil.ReverseProxy
	server     *http.Server
	gstatic    *inner
	metadata   *inner

	mu      sync.Mutex
	closed  bool
	tunnels map[net.Conn]struct{}
}

const user = "gatehouse"

// Start makes a proxy on a free loopback port and serves it until Close.
func Start(o Options) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{options: o, listener: listener, secret: rand.Text(), tunnels: make(map[net.Conn]struct{})}
	p.credential = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+p.secret))
	p.forward = p.newForward()
	p.server = &http.Server{
		Handler: p, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug), DisableGeneralOptionsHandler: true,
	}
	p.gstatic = newInner(o.GStatic, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{o.Certificate}}, o.Log)
	p.metadata = newInner(o.Metadata, nil, o.Log)
	go func() { _ = p.server.Serve(listener) }() // ends with Close
	return p, nil
}

// URL is what proxy variables hold: the address with the credential.
func (p *Proxy) URL() string {
	u := url.URL{Scheme: "http", User: url.UserPassword(user, p.secret), Host: p.listener.Addr().String()}
	return u.String()
}

// Close ends the proxy and everything that goes through it.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for conn := range p.tunnels {
		conn.Close()
	}
	p.mu.Unlock()
	return errors.Join(p.server.Close(), p.gstatic.close(), p.metadata.close())
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given := r.Header.Values("Proxy-Authorization")
	switch {
	case r.Method != http.MethodConnect && !r.URL.IsAbs():
		http.Error(w, "gatehouse dev: this is a proxy for the programs of one `gatehouse dev`, not a web server", http.StatusBadRequest)
	case len(given) != 1 || subtle.ConstantTimeCompare([]byte(given[0]), []byte(p.credential)) != 1:
		w.Header().Set("Proxy-Authenticate", `Basic realm="gatehouse dev"`)
		http.Error(w, "gatehouse dev: this proxy is for the programs that `gatehouse dev` started, and for those whose environment `gatehouse dev env` printed: "+
			"the user and password in the proxy variables are missing or those of another run", http.StatusProxyAuthRequired)
	case r.Method == http.MethodConnect:
		p.connect(w, r)
	case r.URL.Scheme != "http":
		http.Error(w, "gatehouse dev: only http:// URLs are asked for in this way; use CONNECT for others", http.StatusBadRequest)
	default:
		p.plain(w, r)
	}
}

// plain answers a request for an http:// URL.
func (p *Proxy) plain(w http.ResponseWriter, r *http.Request) {
	host, port := r.URL.Hostname(), r.URL.Port()
	clean := path.Clean("/" + r.URL.Path)
	switch {
	case port != "" && port != "80":
		p.forward.ServeHTTP(w, r)
	case names(host, MetadataHost):
		p.options.Metadata.ServeHTTP(w, direct(r))
	case names(host, GStaticHost) && (clean == keysBelow || strings.HasPrefix(clean, keysBelow+"/")):
		p.options.GStatic.ServeHTTP(w, direct(r))
	default:
		p.forward.ServeHTTP(w, r)
	}
}

// direct returns a request as it would have been made without a proxy.
func direct(r *http.Request) *http.Request {
	out := r.Clone(r.Context())
	out.Host = r.URL.Host
	out.RequestURI = r.URL.RequestURI()
	out.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	out.Header.Del("Proxy-Authorization")
	out.Header.Del("Proxy-Connection")
	return out
}

// names reports whether a host is the one that is meant.
func names(host, want string) bool { return strings.EqualFold(strings.TrimSuffix(host, "."), want) }

// forwardedHeaders are what the standard library leaves out and a proxy like this one has no business to.
var forwardedHeaders = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// newForward passes http:// requests on as they came.
func (p *Proxy) newForward() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Host, r.Out.URL.RawQuery = r.In.Host, r.In.URL.RawQuery
			for _, name := range forwardedHeaders {
				if values := r.In.Header.Values(name); len(values) > 0 {
					r.Out.Header[name] = values
				}
			}
		},
		Transport: &http.Transport{
			Proxy:       func(r *http.Request) (*url.URL, error) { return p.options.Outside.proxy(r.URL) },
			DialContext: p.options.Outside.dialDirect, DisableCompression: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
		},
		FlushInterval: -1, // streams pass as they come
		ErrorLog:      slog.NewLogLogger(p.options.Log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, "gatehouse dev: "+r.URL.Host+" cannot be reached: "+err.Error(), http.StatusBadGateway)
		},
	}
}

// connect opens a tunnel: to us for the two hosts, to whom it names for all others.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.RequestURI)
	if err != nil || host == "" || port == "" {
		http.Error(w, "gatehouse dev: CONNECT needs HOST:PORT", http.StatusBadRequest)
		return
	}
	switch {
	case names(host, GStaticHost) && port == "443":
		p.toInner(w, p.gstatic)
		return
	case names(host, MetadataHost) && port == "80":
		p.toInner(w, p.metadata)
		return
	}
	// Not the request's own context: a client that has sent all it has to say has ended its half, and still listens.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), dialTimeout)
	defer cancel()
	there, err := p.options.Outside.Dial(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		http.Error(w, "gatehouse dev: "+host+" cannot be reached: "+err.Error(), http.StatusBadGateway)
		return
	}
	here, err := accept(w)
	if err != nil {
		there.Close()
		return
	}
	p.tunnel(here, there)
}

func (p *Proxy) toInner(w http.ResponseWriter, to *inner) {
	if conn, err := accept(w); err == nil {
		to.Give(conn)
	}
}

// accept answers a CONNECT and takes the connection over.
func accept(w http.ResponseWriter) (net.Conn, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		conn.Close()
		return nil, err
	}
	return withBuffered(conn, buffered.Reader)
}

// track notes a connection for Close; false when that has been.
func (p *Proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	for _, conn := range conns {
		p.tunnels[conn] = struct{}{}
	}
	return true
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.tunnels, conn)
	}
}

// tunnel copies both ways until both have ended.
func (p *Proxy) tunnel(here, there net.Conn) {
	defer here.Close()
	defer there.Close()
	if !p.track(here, there) {
		return
	}
	defer p.forget(here, there)
	var both sync.WaitGroup
	both.Go(func() { copyHalf(there, here) })
	both.Go(func() { copyHalf(here, there) })
	both.Wait()
}
