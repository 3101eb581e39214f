// Package reverseproxy is the enforcement point that ends a client's request itself and forwards a cleaned copy
// to the application. It translates between net/http and enforcement, and never judges.
package reverseproxy

import (
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/tracing"
)

// SignIn takes people away to sign in and back.
type SignIn interface {
	Begin(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string, reason policy.Reason)
	Complete(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string)
	Clear(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string)
	// GoOn leads to the same address without what made it a special URL.
	GoOn(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string)
	// SignOut leads to the page that signs out of all applications.
	SignOut(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string)
	// SignedIn goes on to an address that the decision has found to be the service's, or says that it is done.
	SignedIn(w http.ResponseWriter, r *http.Request, served *snapshot.Served, returnTo string)
}

// Handler serves application hosts.
type Handler struct {
	Point  *enforcement.Point
	SignIn SignIn
	Pages  *pages.Renderer
	Log    *slog.Logger
	// Scheme is the one under which clients know us, "http" or "https". It is told to applications where neither
	// the connection nor a trusted proxy says what the client used.
	Scheme string
	// Metrics counts what becomes of requests, and Tracer traces them; nil for neither.
	Metrics *metrics.Metrics
	Tracer  *tracing.Tracer
	// Exchanges knows what lasts, and has it ended when it would not be let in any more.
	Exchanges *exchange.Registry
}

// Incoming is a request with what the listener knows about where it comes from.
type Incoming struct {
	*http.Request        // its Host is the client's
	Canonical     string // that of enforcement.Request
	Client        listener.Client
	// Misfit and Code are those of enforcement.Request.
	Misfit policy.Reason
	Code   int

	// socket is the stream of HTTP/2 that is to become a WebSocket; nil for none.
	socket io.ReadCloser
}

// Serve decides on the request and carries the verdict out. It must not stand behind http.ServeMux, which would
// redirect paths that it thinks unclean.
func (h *Handler) Serve(w http.ResponseWriter, in Incoming) {
	if !h.bridge(w, &in) {
		return
	}
	r := in.Request
	if isStatic(r.RequestURI) && in.Misfit == "" {
		h.Pages.Static().ServeHTTP(w, r)
		return
	}
	p := &passage{handler: h}
	watch, v := &p.watch, &p.verdict
	watch.begin(h, &in)
	defer watch.end()
	p.request = enforcement.Request{
		Method: r.Method, Host: r.Host, Canonical: in.Canonical, Target: r.RequestURI, Header: r.Header,
		Peer: in.Client.Addr, TLS: in.Client.Scheme == "https", Misfit: in.Misfit, Code: in.Code, RequestID: watch.given,
	}
	h.Point.Check(watch.trace.Context(r.Context()), &p.request, v)
	watch.decided(v, in.Client.Scheme)
	if v.Outcome == enforcement.Forward {
		p.forward(w, &in)
		return
	}
	r = watch.answers(w, r)
	allowOrigin(w.Header(), r.Header, v.Served)
	if v.Step() {
		h.step(stepWriter{w, h.Point, v}, r, v)
		return
	}
	switch v.Outcome {
	case enforcement.Preflight:
		allowPreflight(w, r.Header)
	case enforcement.TellIdentity:
		tellIdentity(w, r, v.Identity)
	case enforcement.ShowRefresher:
		h.showRefresher(w, r, v)
	default:
		h.refuse(w, r, v)
	}
}

// step has sign-in do what the verdict asks for.
func (h *Handler) step(w http.ResponseWriter, r *http.Request, v *enforcement.Verdict) {
	switch v.Outcome {
	case enforcement.SignedIn:
		h.SignIn.SignedIn(w, r, v.Served, v.ReturnTo)
	case enforcement.CompleteLogin:
		h.SignIn.Complete(w, r, v.Served, v.Host)
	case enforcement.ClearLogin:
		h.SignIn.Clear(w, r, v.Served, v.Host)
	case enforcement.GoOn:
		h.SignIn.GoOn(w, r, v.Served, v.Host)
	case enforcement.SignOut:
		h.SignIn.SignOut(w, r, v.Served, v.Host)
	default:
		h.SignIn.Begin(w, r, v.Served, v.Host, v.Reason)
	}
}

// stepWriter notes that a step of sign-in was taken, before the client hears of it. A step that ends in an error was
// not: sign-in has recorded its refusal, and a second record would say that it went well.
type stepWriter struct {
	http.ResponseWriter
	point   *enforcement.Point
	verdict *enforcement.Verdict
}

func (w stepWriter) WriteHeader(status int) {
	w.point.Settle(w.verdict, status < http.StatusBadRequest)
	w.ResponseWriter.WriteHeader(status)
}

func (w stepWriter) Write(b []byte) (int, error) {
	w.point.Settle(w.verdict, true) // without a status it is 200; after one, this does nothing
	return w.ResponseWriter.Write(b)
}

// isStatic reports whether a target is one of the gate's own style sheets. They are public and the same on every
// host, so nothing is decided about them.
func isStatic(target string) bool {
	return strings.HasPrefix(target, pages.StaticPrefix) && !strings.Contains(target, "..")
}

// refuse answers with the page, or IAP's sentence, that belongs to the reason.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, v *enforcement.Verdict) {
	text := v.Reason.Describe()
	if v.Allow != "" {
		w.Header().Set("Allow", v.Allow)
	}
	switch {
	case v.Location != "":
		pages.Headers(w.Header())
		w.Header().Set("Location", v.Location)
		w.WriteHeader(v.Status)
	case v.Status == http.StatusUnauthorized:
		if v.SignInURL != "" {
			w.Header().Set(headerSignIn, v.SignInURL)
		}
		writeSentence(w, r, v.Status, v.Sentence)
	case v.Status == http.StatusForbidden:
		h.Pages.Refused(w, r, pages.Refused{
			Status: v.Status, Title: text.Title, Text: text.Text, Reason: string(v.Reason), ID: v.ID.String(),
			Email: v.Identity.Email, App: v.Served.Service.Name, SwitchURL: switchURL(v),
		})
	default:
		h.Pages.Error(w, r, pages.Error{
			Status: v.Status, Code: v.Code, Title: text.Title, Text: text.Text, Reason: string(v.Reason), ID: v.ID.String(),
		})
	}
}

// writeSentence answers as IAP does: one plain sentence, called HTML.
func writeSentence(w http.ResponseWriter, r *http.Request, status int, sentence string) {
	pages.Headers(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(sentence)) // the client may be gone
	}
}
