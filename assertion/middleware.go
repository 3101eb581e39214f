package assertion

import (
	"context"
	"errors"
	"net/http"
	"net/textproto"
)

// Middleware lets only requests with a good assertion through to an http.Handler, and puts the identity into
// their context ([FromContext]). X-Goog-Authenticated-User-Email and -Id, which anyone can send who reaches the
// application directly, are neither read nor removed: do not use them.
type Middleware struct {
	// Verifier is required.
	Verifier *Verifier
	// HealthPaths are paths such as "/healthz" that load balancers ask without coming through IAP. GET and HEAD
	// for exactly these, byte for byte, pass without assertion. Their requests have no identity, even if they
	// carry an assertion.
	HealthPaths []string
	// AllowPublic lets assertions of nobody through, as IAP sends them for resources that are open to allUsers:
	// claims.Public() is then true. Requests without any assertion are still refused.
	AllowPublic bool
	// OnRefusal is told about every refusal, for logs and metrics.
	OnRefusal func(r *http.Request, err error)
	// Refuse writes the answer to a refused request; nil means [Refuse]. If it writes nothing, Refuse answers.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

// Handler wraps next in a Middleware with nothing but this Verifier.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return Middleware{Verifier: v}.Handler(next)
}

// Handler wraps next. It panics when there is no Verifier, as early as possible and not at the first request.
func (m Middleware) Handler(next http.Handler) http.Handler {
	if m.Verifier == nil || next == nil {
		panic("assertion: Middleware needs a Verifier and a handler")
	}
	health := make(map[string]bool, len(m.HealthPaths))
	for _, path := range m.HealthPaths {
		if path == "" || path[0] != '/' {
			panic("assertion: Middleware.HealthPaths: " + quote(path) + " does not start with /")
		}
		health[path] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isHealthCheck(health, r) {
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), nil)))
			return
		}
		claims, err := m.Verifier.VerifyRequest(r)
		if err == nil && claims.Public() && !m.AllowPublic {
			err = refuse(ErrNobodySignedIn, "")
		}
		if err != nil {
			m.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), claims)))
	})
}

// isHealthCheck compares the path as it was sent: one that only decodes to a health path is none.
func isHealthCheck(health map[string]bool, r *http.Request) bool {
	return len(health) > 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		health[r.URL.Path] && r.URL.EscapedPath() == r.URL.Path
}

// VerifyRequest verifies the one assertion in the header of a request.
func (v *Verifier) VerifyRequest(r *http.Request) (*Claims, error) {
	values := r.Header[canonicalHeader]
	switch len(values) {
	case 0:
		return nil, refuse(ErrMissing, "")
	case 1:
		return v.Verify(r.Context(), values[0])
	}
	return nil, refuse(ErrMultiple, "")
}

var canonicalHeader = textproto.CanonicalMIMEHeaderKey(Header)

func (m Middleware) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if m.OnRefusal != nil {
		m.OnRefusal(r, err)
	}
	if m.Refuse == nil {
		Refuse(w, r, err)
		return
	}
	watched := &watchedWriter{ResponseWriter: w}
	m.Refuse(watched, r, err)
	if !watched.written {
		Refuse(w, r, err)
	}
}

// watchedWriter notices whether a Refuse hook has answered: net/http turns silence into 200.
type watchedWriter struct {
	http.ResponseWriter
	written bool
}

func (w *watchedWriter) WriteHeader(status int) {
	w.written = w.written || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(data []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(data)
}

func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Refuse answers a request whose assertion was refused: the status of [StatusCode] and one sentence, which says
// the reason and nothing else.
func Refuse(w http.ResponseWriter, _ *http.Request, err error) {
	reason := Reason("")
	errors.As(err, &reason)
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, reason.Text(), StatusCode(err))
}

// StatusCode returns the status for a refusal: 401 for a missing or bad assertion, 403 when it is good but
// nobody is signed in, 503 when the keys could not be had.
func StatusCode(err error) int {
	switch {
	case errors.Is(err, ErrNobodySignedIn):
		return http.StatusForbidden
	case errors.Is(err, ErrKeysUnavailable):
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

type contextKey struct{}

// NewContext returns a context with an identity, which the middleware has verified. In tests, claims written by
// hand serve as well. With nil claims the context has none.
func NewContext(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, claims)
}

// FromContext returns the identity that the middleware has verified. Without one ok is false: the request did
// not pass the middleware, or it is a health check.
func FromContext(ctx context.Context) (claims *Claims, ok bool) {
	claims, _ = ctx.Value(contextKey{}).(*Claims)
	return claims, claims != nil
}
