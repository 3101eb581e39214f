package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement/reverseproxy"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// hosts sends a request where its host belongs: to the gate's own auth host, to what the emulator serves by
// path, or, all others, to the applications. The auth host comes first: no service can stand in its place.
type hosts struct {
	auth        string
	authHandler http.Handler
	local       map[string]http.Handler
	apps        *reverseproxy.Handler
	proxies     *listener.TrustedProxies
	newID       func() audit.DecisionID
}

func (h *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := reverseproxy.Incoming{Request: r}
	var err error
	if in.Client, err = h.proxies.Client(r); err != nil {
		in.Misfit = policy.ProxyConflict
	} else if in.Client.Host != r.Host {
		forClient := *r // a handler leaves its request alone
		forClient.Host = in.Client.Host
		in.Request = &forClient
	}
	host, err := catalog.CanonicalHost(in.Host)
	in.Canonical = host
	if err == nil && !in.Client.Trusted {
		if in.Code = listener.HostCode(r, host); in.Code != 0 {
			in.Misfit = policy.HostConflict
		}
	}
	if err != nil || in.Misfit != "" || !strings.HasPrefix(r.RequestURI, "/") || r.Method == http.MethodConnect {
		// Absolute form, "*", CONNECT, a malformed host, one that its connection does not fit: the one place that knows what
		// to refuse, and records it. net/http has dropped the Host header of an absolute form by now, so whether the
		// two agree cannot be known.
		h.apps.Serve(w, in)
		return
	}
	if host == h.auth {
		if len(h.local) > 0 {
			if handler, found := h.local[host+r.URL.Path]; found {
				handler.ServeHTTP(w, in.Request)
				return
			}
		}
		h.serveOwn(w, in)
		return
	}
	if handler, found := h.local[host]; found {
		handler.ServeHTTP(w, in.Request)
		return
	}
	h.apps.Serve(w, in)
}

// isLocal reports whether a request names a host that the emulator serves by itself, which is none that has an external URL.
func (h *hosts) isLocal(r *http.Request) bool {
	if len(h.local) == 0 {
		return false
	}
	host, err := catalog.CanonicalHost(r.Host)
	return err == nil && h.local[host] != nil
}

// route is one line of the auth host's route table. guard says in a few words what keeps the route from being
// misused; testdata/routes.golden holds the table for review.
type route struct {
	pattern, guard string
	handler        http.Handler
}

func (s *Server) authRoutes(signIn *signin.SignIn, renderer *pages.Renderer) []route {
	keys, discovery, people := s.AssertionKeys(), s.published.Discovery(), signIn.Handler()
	return slices.Concat([]route{
		{"/iap/verify/", "public keys only; GET and HEAD", keys},
		{"/.well-known/openid-configuration", "public; GET and HEAD", discovery},
		{issuer.PathCerts, "public keys only; GET and HEAD", discovery},
		{pages.StaticPrefix, "public style sheets; GET and HEAD", renderer.Static()},
	}, s.oauthRoutes(s.programs), []route{
		{"/", "sign-in: sealed state, cross-origin check on every form", people},
	})
}

// Routes lists what each kind of listener answers and what guards it, one line each.
func (s *Server) Routes() string {
	var b strings.Builder
	line := func(where, guard string) { fmt.Fprintf(&b, "%-46s %s\n", where, guard) }
	for _, r := range s.routes {
		line("AUTH_HOST "+r.pattern, r.guard)
	}
	line("any other host "+pages.StaticPrefix, "public style sheets; GET and HEAD")
	for _, mode := range specialurl.Modes() {
		line("any other host ?"+specialurl.Parameter+"="+string(mode), specialGuards[mode])
	}
	line("any other host /_gcp_iap/, /_gcp_gatekeeper/", "the same by older paths; anything else there is 404 or 400, never forwarded")
	line("any other host /", "enforcement: route, authenticate, decide, assert, record, forward")
	line("gstatic listener /iap/verify/", "public keys only; our host only; GET and HEAD")
	line("gstatic listener /", "relay to the real host, verified: no credentials, no cookies, not to ourselves; GET and HEAD")
	line("metadata listener /", "no credentials: project and zone; Metadata-Flavor asked, X-Forwarded-For refused, our host only; GET and HEAD")
	if s.options.Health != nil {
		line("listener with healthCheck, any host, its path", "ready or not, no detail; GET and HEAD")
		line("to-HTTPS listener, any host /", "redirect to a host that is served; from a trusted proxy over HTTPS: as above")
		for _, r := range s.healthRoutes() {
			line("health listener "+r.pattern, r.guard)
		}
	}
	return b.String()
}

// specialGuards says of each special URL what keeps it from being misused.
var specialGuards = map[specialurl.Mode]string{
	specialurl.Authenticating:   "one-time token, for the browser that began; no bearer",
	specialurl.SignIn:           "begins a sign-in; goes on to the same host or one of corsOrigins only; GET and HEAD; not from other sites' subresources; no bearer",
	specialurl.ClearLoginCookie: "ends this browser's session with this application only; GET; not from other sites' subresources; no bearer",
	specialurl.DoSessionRefresh: "begins a sign-in; GET and HEAD; not from other sites' subresources; no bearer",
	specialurl.ForceLogin:       "begins a sign-in; GET and HEAD; not from other sites' subresources; no bearer",
	specialurl.GCIPSignOut:      "always refused: there are no external identities yet",
	specialurl.Identity:         "who is signed in, told to them; GET and HEAD; not to other origins",
	specialurl.SecureTokenTest:  "only who may use the application; forwarded with an assertion that is good for nothing",
	specialurl.SessionRefresher: "only who is signed in; GET and HEAD; framed by its own origin only; no bearer",
	specialurl.SignOut:          "changes nothing: leads to AUTH_HOST /signout, whose form has a cross-origin check; no bearer",
}

// authMux serves the first route that the path belongs to; the last takes all. It is no http.ServeMux, which answers
// paths that it thinks unclean with redirects of its own: without the headers that every answer of ours has, and
// before sign-in's check of where a form comes from.
func (s *Server) authMux(signIn *signin.SignIn, renderer *pages.Renderer) http.Handler {
	s.routes = s.authRoutes(signIn, renderer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages.Headers(w.Header())
		for _, route := range s.routes {
			if route.takes(r.URL.Path) {
				route.handler.ServeHTTP(w, r)
				return
			}
		}
	})
}

// takes reports whether a path belongs to the route. A pattern that ends in a slash stands for all below it.
func (r route) takes(path string) bool {
	return path == r.pattern || strings.HasSuffix(r.pattern, "/") && strings.HasPrefix(path, r.pattern) || r.pattern == "/"
}
