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
}

// Handler returns the administration API. IAM's methods have Google's own paths; what Google has no method for
// is under /gatehouse/v1/. A call must carry who makes it (WithActor).
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, limit int64, f func(call) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			actor, known := r.Context().Value(actorKey{}).(audit.Actor)
			if !known {
				writeProblem(w, r, a.Log, errForbidden)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			answer, err := f(call{r, actor})
			if err != nil {
				writeProblem(w, r, a.Log, err)
				return
			}
			writeJSON(w, http.StatusOK, answer)
		})
	}
	route("POST /v1/{resource...}", maxBody, a.postResource)
	route("GET /gatehouse/v1/project", maxBody, a.getProject)
	route("GET /gatehouse/v1/services", maxBody, a.getServices)
	route("POST /gatehouse/v1/iap/{resource...}", maxBody, a.postIAP)
	for _, kind := range []principal.Kind{principal.User, principal.ServiceAccount} {
		accounts := accountAPI{a, kind}
		path := "/gatehouse/v1/" + collection(kind)
		route("GET "+path, maxBody, accounts.list)
		route("POST "+path, maxBody, accounts.create)
		route("GET "+path+"/{name}", maxBody, accounts.get)
		route("POST "+path+"/{name}", maxBody, accounts.post)
		route("DELETE "+path+"/{name}", maxBody, accounts.remove)
	}
	route("GET /gatehouse/v1/groups", maxBody, a.getGroups)
	route("POST /gatehouse/v1/groups", maxGroupBody, a.postGroups)
	route("GET /gatehouse/v1/groups/{name}", maxBody, a.getGroup)
	route("POST /gatehouse/v1/groups/{name}", maxGroupBody, a.postGroup)
	route("DELETE /gatehouse/v1/groups/{name}", maxBody, a.removeGroup)
	route("GET /gatehouse/v1/identityProviders", maxBody, a.getProviders)
	route("PUT /gatehouse/v1/identityProviders/{name}", maxBody, a.putProvider)
	route("DELETE /gatehouse/v1/identityProviders/{name}", maxBody, a.removeProvider)
	route("GET /gatehouse/v1/keys", maxBody, a.getKeys)
	route("POST /gatehouse/v1/keys/{name}", maxBody, a.postKey)
	route("GET /gatehouse/v1/sessions", maxBody, a.getSessions)
	route("POST /gatehouse/v1/sessions/{name}", maxBody, a.postSessions)
	route("GET /gatehouse/v1/decisions/{name}", maxBody, a.getDecision)
	route("GET /gatehouse/v1/entries", maxBody, a.getEntries)
	route("/", maxBody, func(c call) (any, error) { return nil, c.noRoute() })
	return mux
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
