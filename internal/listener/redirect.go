package listener

import (
	"fmt"
	"net/http"
	"strings"
)

// Redirect answers plain HTTP by sending clients to the same address under the external URL. It forwards nothing,
// except what a trusted proxy has received over TLS. Where the redirect would lead back to it, it says why.
type Redirect struct {
	// Origin returns scheme, host and port under which clients know a host, such as https://app.example.com.
	Origin func(host string) string
	// Canonical returns a Host in the form that is compared, or an error.
	Canonical func(host string) (string, error)
	// Serves reports whether a canonical host is one of ours. Clients are sent nowhere else.
	Serves  func(host string) bool
	Proxies *TrustedProxies
	// Next answers what came to a trusted proxy over TLS, and refuses what such a proxy garbles.
	Next http.Handler
	// Problem answers in place of a redirect.
	Problem func(w http.ResponseWriter, r *http.Request, p Problem)
}

// Problem is why a request to a plain listener is not redirected.
type Problem struct {
	Kind   ProblemKind
	Client Client
	Detail string // for whoever runs the server: the cause, and the line of configuration to change
}

// ProblemKind is a class of problems.
type ProblemKind uint8

// The problems of redirects.
const (
	RequestMalformed ProblemKind = iota // no address to send anybody to
	RequestUnserved                     // the host is none of ours
	RedirectLoops                       // the redirect would come back
)

// loopCookie proves that a client speaks TLS with something in front of us that speaks plain HTTP with us: it is
// set together with a redirect, and browsers keep it only if that came over TLS.
const loopCookie = "__Host-GCP_IAP_PLAIN_BEHIND_TLS"

func (h *Redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, err := h.Proxies.Client(r)
	if err != nil || client.Trusted && client.Scheme == "https" {
		h.Next.ServeHTTP(w, r)
		return
	}
	host, err := h.Canonical(client.Host)
	if err != nil || r.Method == http.MethodConnect || !strings.HasPrefix(r.RequestURI, "/") {
		h.Problem(w, r, Problem{Kind: RequestMalformed, Client: client})
		return
	}
	if !h.Serves(host) {
		h.Problem(w, r, Problem{Kind: RequestUnserved, Client: client})
		return
	}
	origin := h.Origin(host)
	if cause := h.loop(r, client, origin); cause != "" {
		h.Problem(w, r, Problem{Kind: RedirectLoops, Client: client, Detail: cause})
		return
	}
	redirect(w, r, host, origin)
}

// loop returns why a redirect to origin would come back here, or nothing.
func (h *Redirect) loop(r *http.Request, client Client, origin string) string {
	peer, known := peerOf(r)
	add := "add this line to gatehouse.yaml"
	if known {
		add += fmt.Sprintf(": trustedProxies: [%s]", hostPrefix(peer))
	} else {
		add += ": trustedProxies: [ADDRESS OF THE PROXY]"
	}
	if !strings.HasPrefix(origin, "https://") {
		return fmt.Sprintf("This listener sends clients to externalURL, and externalURL is %s, which leads back here. "+
			"Let externalURL begin with https:// (it is how clients reach the gate), or set redirectToHTTPS: false on this listener.", origin)
	}
	if client.Trusted && client.Scheme == "" {
		return fmt.Sprintf("The trusted proxy %s does not say whether its client used https. "+
			"Let it set X-Forwarded-Proto, or set redirectToHTTPS: false on this listener.", peer)
	}
	if !client.Trusted && saysHTTPS(r.Header) {
		return "The request came over https to a proxy, which passed it on as plain HTTP, and that proxy is not trusted, so its word does not count. " +
			"If it is yours, " + add + "."
	}
	if _, err := r.Cookie(loopCookie); err == nil && !client.Trusted {
		if c := connOf(r); c != nil && c.proxied != nil {
			return "The load balancer that speaks the PROXY protocol with this listener ends https, so the client is on https already. " +
				"Set redirectToHTTPS: false on this listener."
		}
		return "Something in front of this listener ends https and talks plain HTTP to it, so the client is on https already. " +
			"Let it set X-Forwarded-Proto and X-Forwarded-For, and " + add + "."
	}
	return ""
}

// saysHTTPS reports whether a header claims that a proxy was asked over TLS. The claim is used for one thing
// only, to explain; it lets nobody through.
func saysHTTPS(h http.Header) bool {
	for _, name := range [...]string{headerProto, "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Url-Scheme"} {
		if strings.EqualFold(h.Get(name), "https") {
			return true
		}
	}
	return strings.EqualFold(h.Get("X-Forwarded-Ssl"), "on") || strings.EqualFold(h.Get("Front-End-Https"), "on") ||
		strings.Contains(strings.ToLower(h.Get(headerForwarded)), "proto=https")
}

// redirect sends a client to the same target, byte for byte. GET and HEAD get the status that everything
// understands, other methods the one that keeps them and their body.
func redirect(w http.ResponseWriter, r *http.Request, host, origin string) {
	header := w.Header()
	header.Set("Location", origin+r.RequestURI)
	header.Set("Cache-Control", "no-store") // browsers would keep a mistake for ever
	header.Set("Content-Length", "0")
	if host != "localhost" && !strings.HasSuffix(host, ".localhost") { // where browsers take Secure cookies without TLS
		header.Set("Set-Cookie", loopCookie+"=1; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax")
	}
	status := http.StatusPermanentRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	w.WriteHeader(status)
}
