package interception

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"
)

// Outside is the network as the developer's environment reaches it: through the proxy that its variables name, past it
// for the hosts that NO_PROXY names.
type Outside struct {
	choose func(*url.URL) (*url.URL, error)
	dialer net.Dialer
}

// NewOutside reads the variables. It refuses proxies that it could not use.
func NewOutside(environ []string) (*Outside, error) {
	all := lookup(environ, "ALL_PROXY")
	config := httpproxy.Config{
		HTTPProxy:  orElse(lookup(environ, "HTTP_PROXY"), all),
		HTTPSProxy: orElse(lookup(environ, "HTTPS_PROXY"), all),
		NoProxy:    lookup(environ, "NO_PROXY"),
	}
	for name, text := range map[string]string{"HTTP_PROXY": config.HTTPProxy, "HTTPS_PROXY": config.HTTPSProxy} {
		if err := checkProxy(name, text); err != nil {
			return nil, err
		}
	}
	return &Outside{choose: config.ProxyFunc()}, nil
}

// checkProxy refuses what the functions below could not use. It does not repeat the value, which may hold a password.
func checkProxy(name, text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" { // a scheme may be left out
		if u, err = url.Parse("http://" + text); err != nil || u.Host == "" {
			return fmt.Errorf("%s cannot be read as the URL of a proxy: correct it, or run gatehouse dev with --no-intercept", name)
		}
	}
	if !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return fmt.Errorf("%s names a proxy of the kind %q: gatehouse dev can go on through http, https and socks5 proxies; give it one of them, or run it with --no-intercept", name, u.Scheme)
	}
	return nil
}

func (o *Outside) proxy(u *url.URL) (*url.URL, error) { return o.choose(u) }

// Dial connects to a host, through the developer's proxy where there is one.
func (o *Outside) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	through, err := o.choose(&url.URL{Scheme: "https", Host: address})
	switch {
	case err != nil:
		return nil, err
	case through == nil:
		return o.dialDirect(ctx, network, address)
	case strings.HasPrefix(through.Scheme, "socks5"):
		return o.dialSOCKS(ctx, through, address)
	default:
		return o.dialConnect(ctx, through, address)
	}
}

// dialDirect connects without a proxy. Names below localhost lead to this machine (RFC 6761), which not every
// resolver knows.
func (o *Outside) dialDirect(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".localhost") {
		address = net.JoinHostPort("localhost", port)
	}
	return o.dialer.DialContext(ctx, network, address)
}

func (o *Outside) dialSOCKS(ctx context.Context, through *url.URL, address string) (net.Conn, error) {
	var auth *proxy.Auth
	if through.User != nil {
		password, _ := through.User.Password()
		auth = &proxy.Auth{User: through.User.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", withPort(through, "1080"), auth, &o.dialer)
	if err != nil {
		return nil, err
	}
	conn, err := dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("through the proxy %s: %w", through.Host, err)
	}
	return conn, nil
}

// dialConnect asks an HTTP proxy for a tunnel.
func (o *Outside) dialConnect(ctx context.Context, through *url.URL, address string) (net.Conn, error) {
	port := "80"
	if through.Scheme == "https" {
		port = "443"
	}
	conn, err := o.dialDirect(ctx, "tcp", withPort(through, port))
	if err != nil {
		return nil, fmt.Errorf("the proxy %s: %w", through.Host, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if through.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: through.Hostname()})
	}
	tunnel, err := askForTunnel(conn, through, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("the proxy %s: %w", through.Host, err)
	}
	return tunnel, nil
}

func askForTunnel(conn net.Conn, through *url.URL, address string) (net.Conn, error) {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if through.User != nil {
		password, _ := through.User.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(through.User.Username()+":"+password)))
	}
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", response.Status)
	}
	return withBuffered(conn, reader)
}

func withPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// lookup returns a variable, which may be written in either case. As with the libraries that read it, capitals come first.
func lookup(environ []string, name string) string {
	return orElse(value(environ, name), value(environ, strings.ToLower(name)))
}

// value returns a variable; of several, the last.
func value(environ []string, name string) (found string) {
	for _, variable := range environ {
		if text, ok := strings.CutPrefix(variable, name+"="); ok {
			found = text
		}
	}
	return found
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
