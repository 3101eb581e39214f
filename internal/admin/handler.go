package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// Request bodies are read whole before anything is done with them, up to these sizes.
const (
	maxBody      = 1 << 20
	maxGroupBody = 64 << 20 // directory.MaxGroupMembers addresses
	maxDocuments = 256 << 20
)

// actorKey is where the socket leaves who its peer is.
type actorKey struct{}

// WithActor returns a context whose requests act for somebody. Handler refuses those without.
func WithActor(ctx context.Context, actor audit.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// call is one API call: its arguments in, its answer out.
type call struct {
	*http.Request
	actor audit.Actor
	w     http.ResponseWriter // of calls that answer by themselves
}

// route is one line of the table of routes. Every route has the same guard: a peer that may administer.
type route struct {
	pattern string
	maxBody int64
	answer  func(call) (any, error)
}

func (a *Admin) routes() []route {
	const own = "/gatehouse/v1"
	users, programs := accountAPI{a, principal.User}, accountAPI{a, principal.ServiceAccount}
	return []route{
		{"POST /v1/{resource...}", maxBody, a.postResource},
		{"GET /v1/{resource...}", maxBody, a.getSettings},
		{"PATCH /v1/{resource...}", maxBody, a.patchSettings},
		{"GET " + own + "/project", maxBody, a.getProject},
		{"GET " + own + "/services", maxBody, a.getServices},
		{"GET " + own + "/upstreams", maxBody, a.getUpstreams},
		{"POST " + own + "/iap/{resource...}", maxBody, a.postIAP},
		{"GET " + own + "/effective/{resource...}", maxBody, a.getEffectiveSettings},
		{"GET " + own + "/users", maxBody, users.list},
		{"POST " + own + "/users", maxBody, users.create},
		{"GET " + own + "/users/{name}", maxBody, users.get},
		{"POST " + own + "/users/{name}", maxBody, users.post},
		{"DELETE " + own + "/users/{name}", maxBody, users.remove},
		{"GET " + own + "/serviceAccounts", maxBody, programs.list},
		{"POST " + own + "/serviceAccounts", maxBody, programs.create},
		{"GET " + own + "/serviceAccounts/{name}", maxBody, programs.get},
		{"POST " + own + "/serviceAccounts/{name}", maxBody, programs.post},
		{"DELETE " + own + "/serviceAccounts/{name}", maxBody, programs.remove},
		{"GET " + own + "/serviceAccounts/{name}/keys", maxBody, a.getAccountKeys},
		{"POST " + own + "/serviceAccounts/{name}/keys", maxBody, a.postAccountKeys},
		{"POST " + own + "/serviceAccounts/{name}/keys/{key}", maxBody, a.postAccountKey},
		{"DELETE " + own + "/serviceAccounts/{name}/keys/{key}", maxBody, a.removeAccountKey},
		{"GET " + own + "/groups", maxBody, a.getGroups},
		{"POST " + own + "/groups", maxGroupBody, a.postGroups},
		{"GET " + own + "/groups/{name}", maxBody, a.getGroup},
		{"POST " + own + "/groups/{name}", maxGroupBody, a.postGroup},
		{"DELETE " + own + "/groups/{name}", maxBody, a.removeGroup},
		{"GET " + own + "/identityProviders", maxBody, a.getProviders},
		{"PUT " + own + "/identityProviders/{name}", maxBody, a.putProvider},
		{"DELETE " + own + "/identityProviders/{name}", maxBody, a.removeProvider},
		{"GET " + own + "/documents", maxBody, a.getDocuments},
		{"POST " + own + "/documents/{name}", maxDocuments, a.postDocuments},
		{"GET " + own + "/keys", maxBody, a.getKeys},
		{"POST " + own + "/keys/{name}", maxBody, a.postKey},
		{"GET " + own + "/sessions", maxBody, a.getSessions},
		{"POST " + own + "/sessions/{name}", maxBody, a.postSessions},
		{"GET " + own + "/decisions/{name}", maxBody, a.getDecision},
		{"GET " + own + "/entries", maxBody, a.getEntries},
		{"POST " + own + "/records/{name}", maxBody, a.postRecords},
		{"/", maxBody, func(c call) (any, error) { return nil, c.noRoute() }},
	}
}

// Handler returns the administration API. IAM's methods have Google's own paths; what Google has no method for
// is under /gatehouse/v1/. A call must carry who makes it (WithActor).
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.routes() {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, request *http.Request) { a.serve(w, request, r) })
	}
	return mux
}

// serve is the guard of every route, and its one way out.
func (a *Admin) serve(w http.ResponseWriter, r *http.Request, to route) {
	actor, known := r.Context().Value(actorKey{}).(audit.Actor)
	if !known {
		writeProblem(w, r, a.Log, errForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, to.maxBody)
	switch answer, err := to.answer(call{r, actor, w}); {
	case errors.Is(err, errAnswered):
	case err != nil:
		writeProblem(w, r, a.Log, err)
	default:
		writeJSON(w, http.StatusOK, answer)
	}
}

func (c call) noRoute() error {
	return fmt.Errorf("%w: %s %s", errNoRoute, c.Method, c.URL.EscapedPath())
}

// verb splits "name:verb", the form of custom methods in Google's APIs. No name here has a colon of its own.
func (c call) verb(written string) (name, verb string, err error) {
	i := strings.LastIndexByte(written, ':')
	if i < 0 {
		return "", "", c.noRoute()
	}
	return written[:i], written[i+1:], nil
}

// body returns the whole request body.
func (c call) body() ([]byte, error) {
	b, err := io.ReadAll(c.Body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, fmt.Errorf("%w: the request body is larger than %d bytes", ErrInvalid, large.Limit)
	}
	return b, err
}

// decode reads the request body, exactly one JSON value with known fields, into v. An empty body leaves v as it is.
func (c call) decode(v any) error {
	b, err := c.body()
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("%w: request body: %s", ErrInvalid, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: request body: more than one JSON value", ErrInvalid)
	}
	return nil
}

// empty is google.protobuf.Empty.
type empty struct{}

// list is the answer that lists items under a name; without items the list is empty, never null.
func list[T any](name string, items []T) map[string][]T {
	if items == nil {
		items = []T{}
	}
	return map[string][]T{name: items}
}
