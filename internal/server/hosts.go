package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// hosts sends a request where its host belongs: to the gate's own auth host, to what the emulator serves by
// path, or, all others, to the applications. The auth host comes first: no service can stand in its place.
type hosts struct {
	auth        string
	authHandler http.Handler
	local       map[string]http.Handler
	apps        http.Handler
}

func (h *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, err := catalog.CanonicalHost(r.Host)
	if err != nil || !strings.HasPrefix(r.RequestURI, "/") {
		// Absolute form, "*", a malformed host: the one place that knows what to refuse, and records it. net/http
		// has dropped the Host header of an absolute form by now, so whether the two agree cannot be known.
		h.apps.ServeHTTP(w, r)
		return
	}
	if host == h.auth {
		h.authHandler.ServeHTTP(w, r)
		return
	}
	if handler, found := h.local[host]; found {
		handler.ServeHTTP(w, r)
		return
	}
	h.apps.ServeHTTP(w, r)
}

// route is one line of the auth host's route table. guard says in a few words what keeps the route from being
// misused; testdata/routes.golden holds the table for review.
type route struct {
	pattern, guard string
	handler        http.Handler
}

func (s *Server) authRoutes(signIn *signin.SignIn, renderer *pages.Renderer) []route {
	keys, discovery, people := s.endpoints.Assertion(), s.endpoints.Discovery(), signIn.Handler()
	return []route{
		{"/iap/verify/", "public keys only; GET and HEAD", keys},
		{"/.well-known/openid-configuration", "public; GET and HEAD", discovery},
		{issuer.PathCerts, "public keys only; GET and HEAD", discovery},
		{pages.StaticPrefix, "public style sheets; GET and HEAD", renderer.Static()},
		{"/", "sign-in: sealed state, cross-origin check on every form", people},
	}
}

// Routes lists what the auth host answers, and every other host's rule, one line each.
func (s *Server) Routes() string {
	var b strings.Builder
	for _, r := range s.routes {
		fmt.Fprintf(&b, "%-46s %s\n", "AUTH_HOST "+r.pattern, r.guard)
	}
	fmt.Fprintf(&b, "%-46s %s\n", "any other host "+pages.StaticPrefix, "public style sheets; GET and HEAD")
	fmt.Fprintf(&b, "%-46s %s\n", "any other host /", "enforcement: route, authenticate, decide, assert, record, forward")
	return b.String()
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
