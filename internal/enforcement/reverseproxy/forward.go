package reverseproxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// Identity is what the application is told: prebuilt header values, where the request came from, and what must
// not reach it.
type Identity struct {
	Prepared           *issuer.Prepared // nil tells nothing
	Headers            []enforcement.Header
	Exact              []string // names of headers that only we may set, whether we do or not
	StripAuthorization bool
	AppEngine          bool // the application believes App Engine's headers
	Client             listener.Client
}

// forward passes the request on, as it was decided.
func (p *passage) forward(w http.ResponseWriter, in *Incoming) {
	h, r, v := p.handler, in.Request, &p.verdict
	if !setTarget(&p.target, v.Target, v.Served.Upstream) {
		v.Reason, v.Status = policy.TargetInvalid, http.StatusBadRequest
		allowOrigin(w.Header(), r.Header, v.Served)
		h.refuse(w, p.watch.answers(w, r), v)
		return
	}
	p.begin(h.Exchanges, w, r)
	defer p.done()
	body := limitBody(w, r, v.Served.Service.MaxBodyBytes)
	defer body.release()
	p.carries(body)
	headers := p.watch.forwarding(v)
	if body.wasCut() {
		p.Failed(w, r, 0)
		return
	}
	f := Forwarder{Scheme: h.Scheme, Log: h.Log, Body: body, Failure: p, life: p, socket: in.socket}
	f.Forward(w, r, v.Served.Upstream, &p.target, Identity{
		Prepared: v.Prepared, Headers: headers, Exact: exactNames(v.Served), StripAuthorization: v.StripAuthorization,
		AppEngine: v.Served.Service.Kind == resource.AppEngineApp, Client: in.Client,
	})
}

// Failed implements Failure.
func (p *passage) Failed(w http.ResponseWriter, r *http.Request, status int) {
	reason := policy.UpstreamFailed
	if limited, why := p.body.verdict(); why != "" {
		status, reason = limited, why
		stopsReading(w, r)
	}
	p.watch.failed(status)
	p.watch.sign(w.Header())
	if p.isCall() {
		failCall(w.Header(), status, reason, p.verdict.ID.String())
		return
	}
	text := reason.Describe()
	allowOrigin(w.Header(), r.Header, p.verdict.Served)
	p.handler.Pages.Error(w, r, pages.Error{
		Status: status, Title: text.Title, Text: text.Text, Reason: string(reason), ID: p.verdict.ID.String(),
	})
}

// exactNames are the headers without a prefix of ours that the settings hand attributes on in.
func exactNames(served *snapshot.Served) []string {
	if served.Propagation == nil {
		return nil
	}
	return served.Propagation.ExactNames
}

// Forwarder is the one seam between the decision and the application. What stands behind it may change; what
// the application and the client see may not.
type Forwarder struct {
	Scheme string
	Log    *slog.Logger
	// Body is the request's body with its limits; nil where there is none.
	Body *limitedBody
	// Failure answers when the application does not.
	Failure Failure

	life   *passage      // nil where nobody watches, nor asks whether the exchange goes on
	socket io.ReadCloser // Incoming.socket
}

// Failure answers the client in the application's place.
type Failure interface {
	// Failed answers with a status, or with that of the limit that the request's body has passed.
	Failed(w http.ResponseWriter, r *http.Request, status int)
}

// Forward sends a cleaned copy of r to the application at target and copies the answer. When an answer that has
// begun cannot be brought to its end, it panics with http.ErrAbortHandler: the server cuts the connection or resets
// the stream, and nobody takes half an answer for a whole one.
func (f *Forwarder) Forward(w http.ResponseWriter, r *http.Request, up *upstream.Upstream, target *url.URL, identity Identity) {
	life := f.life
	if life == nil {
		life = &passage{control: *http.NewResponseController(w)}
	}
	control, hints := &life.control, &life.hints
	hints.w, hints.request = w, r
	f.life.unbind(r, f.socket, control)
	ctx, cancel := f.life.context(r.Context())
	defer cancel()
	life.header.of(r, &identity, f.Scheme)
	life.header.hints = hints
	life.out = *r.WithContext(ctx)
	out := &life.out
	out.URL, out.Close, out.Header = target, false, nil
	if up.Host != "" {
		out.Host = up.Host
	}
	body := outgoingBody(out, r, identity.Exact, hints)
	defer body.release()
	response, err := up.Send(out, &life.header)
	hints.end()
	f.Body.release() // from here on the client may be silent
	if err == nil {
		f.life.watcher().answered(response)
	}
	if err == nil && response.StatusCode == http.StatusSwitchingProtocols {
		if err = f.upgrade(w, &life.header, out, response); err == nil {
			return
		}
	}
	body.answering(w, control)
	if err != nil {
		f.life.limitRest(r, control)
		f.fail(w, r, up, err)
	} else {
		f.life.answering(response)
		answer(w, r, control, response, f.life)
		if !f.life.hasEnded() { // which has set a deadline of its own
			f.life.limitRest(r, control)
		}
	}
	body.linger(control)
}

// fail answers in the place of the application.
func (f *Forwarder) fail(w http.ResponseWriter, r *http.Request, up *upstream.Upstream, err error) {
	switch {
	case f.life.hasEnded():
		f.life.watcher().sign(w.Header())
		f.life.sayWhy(w)
		return
	case f.Body.wasCut():
		f.Failure.Failed(w, r, 0)
		return
	case f.Body.isBroken(), errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the client is gone, or speaks no HTTP: nobody reads an answer
	}
	f.Log.Warn("the application did not answer", "request", f.life.watcher().name(), "upstream", up.Address, "error", err)
	status, retryAfter := upstream.Answer(err)
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	f.Failure.Failed(w, r, status)
}

// setTarget makes a URL that net/http writes as exactly the bytes that were received. There is one form for
// which it has no notation, a path that starts with // and holds a byte that url.URL would escape; rather than
// change what was decided on, that is refused.
// HTTP/2 takes the same bytes for :path.
func setTarget(u *url.URL, t catalog.Target, up *upstream.Upstream) bool {
	*u = url.URL{Scheme: up.Scheme, Host: up.Address, RawQuery: t.Query, ForceQuery: t.HasQuery && t.Query == ""}
	if !strings.HasPrefix(t.Raw, "//") {
		u.Opaque = t.Raw
		return true
	}
	path, err := url.PathUnescape(t.Raw)
	if err != nil {
		return false
	}
	u.Path, u.RawPath = path, t.Raw
	return u.EscapedPath() == t.Raw
}
