package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/metadataserver"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// control is /emulator/v1/ beyond tokens: what a test does to the gate.
type control struct {
	info     Info
	gate     Gate
	admin    Administration
	service  resource.Service
	metadata *metadataserver.Server
	keys     *keyEndpoint
	heard    *decisions
	now      func() time.Time

	mu         sync.Mutex // who changes the two below
	attributes metadataAttributes
	restore    func(ctx context.Context, actor audit.Actor) error
}

// actor is whom the record names for what came by /emulator/v1/.
func (c *control) actor() audit.Actor { return audit.Actor{Kind: "system", Name: "emulator API"} }

const (
	groupsPath = "/emulator/v1/groups/"
	signInPath = "/emulator/v1/sign-in"
)

// routes lists what answers to whoever means the emulator.
func (c *control) routes() []route {
	return []route{
		{http.MethodPost, "/emulator/v1/accounts", marked, answer(c.createAccount)},
		{http.MethodPut, groupsPath, marked, answer(c.putGroup)},
		{http.MethodGet, "/emulator/v1/policy", marked, answer(c.getPolicy)},
		{http.MethodPut, "/emulator/v1/policy", marked, answer(c.setPolicy)},
		{http.MethodPost, "/emulator/v1/assertions", marked, answer(c.signAssertion)},
		{http.MethodPost, "/emulator/v1/keys:rotate", marked, answer(c.rotateKeys)},
		{http.MethodGet, "/emulator/v1/key-endpoint", marked, answer(c.getKeyEndpoint)},
		{http.MethodPut, "/emulator/v1/key-endpoint", marked, answer(c.setKeyEndpoint)},
		{http.MethodDelete, "/emulator/v1/key-endpoint", marked, answer(c.mendKeyEndpoint)},
		{http.MethodGet, "/emulator/v1/iap", marked, answer(c.getIAP)},
		{http.MethodPut, "/emulator/v1/iap", marked, answer(c.setIAP)},
		{http.MethodGet, "/emulator/v1/metadata", marked, answer(c.getMetadata)},
		{http.MethodPut, "/emulator/v1/metadata", marked, answer(c.setMetadata)},
		{http.MethodGet, "/emulator/v1/decisions", marked, answer(c.listDecisions)},
		{http.MethodDelete, "/emulator/v1/decisions", marked, answer(c.forgetDecisions)},
		{http.MethodPost, "/emulator/v1/reset", marked, answer(c.reset)},
	}
}

// refusal is an error with the status of its answer.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// answer turns what an operation returns into JSON: its value, or the problem.
func answer(operation func(w http.ResponseWriter, r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := operation(w, r)
		if err != nil {
			writeProblem(w, statusOf(err), err.Error())
			return
		}
		writeJSON(w, "application/json", http.StatusOK, value)
	}
}

// statusOf reads an error. What the rooms refuse is the caller's; it says nothing that a developer must not read.
func statusOf(err error) int {
	var refused *refusal
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		return refused.status
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, directory.ErrExists), errors.Is(err, iam.ErrEtag):
		return http.StatusConflict
	case errors.Is(err, directory.ErrNotFound):
		return http.StatusNotFound
	default:
		return http.StatusBadRequest
	}
}

// maxControlBody bounds what is read of a request.
const maxControlBody = 1 << 20

// readJSON reads a body strictly; an empty one leaves v as it is.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
	decoder.DisallowUnknownFields()
	decoder.UseNumber() // claims keep the numbers that they are given
	err := decoder.Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("there is something after it")
		}
	}
	return fmt.Errorf("the body must be one JSON object: %w", err)
}

// reset brings back how everything was when this run had become ready. Keys stay as they are: verifiers hold copies.
func (c *control) reset(_ http.ResponseWriter, r *http.Request) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.restore == nil {
		return nil, refuse(http.StatusServiceUnavailable, "everything is still starting: wait for /readyz")
	}
	c.keys.set(fault{})
	if err := c.restore(r.Context(), c.actor()); err != nil {
		return nil, err
	}
	c.attributes = metadataAttributes{}
	if err := c.metadata.SetAttributes(metadataserver.Attributes{}); err != nil {
		return nil, err
	}
	c.heard.forget()
	return struct{}{}, nil
}

// remember notes how everything is, for reset.
func (c *control) remember(ctx context.Context) error {
	restore, err := c.admin.Remember(ctx)
	if err != nil {
		return fmt.Errorf("cannot note how everything is at the start: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restore = restore
	return nil
}

// iapState is the body about the gate itself.
type iapState struct {
	Enabled *bool `json:"enabled"`
}

func (c *control) getIAP(_ http.ResponseWriter, r *http.Request) (any, error) {
	services, err := c.admin.Services(r.Context())
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		if service.Service == c.service {
			on := !service.IAPDisabled
			return iapState{&on}, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "the service is gone")
}

func (c *control) setIAP(w http.ResponseWriter, r *http.Request) (any, error) {
	var wanted iapState
	if err := readJSON(w, r, &wanted); err != nil {
		return nil, err
	}
	if wanted.Enabled == nil {
		return nil, refuse(http.StatusBadRequest, `the body must say {"enabled": true} or {"enabled": false}`)
	}
	if err := c.admin.SetIAP(r.Context(), c.actor(), c.service.Name(), *wanted.Enabled); err != nil {
		return nil, err
	}
	return wanted, nil
}

// metadataAttributes is the body about the metadata server.
type metadataAttributes struct {
	Project  map[string]string `json:"project_attributes"`
	Instance map[string]string `json:"instance_attributes"`
}

func (c *control) getMetadata(http.ResponseWriter, *http.Request) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.attributes.filled(), nil
}

// filled has objects in the place of null.
func (a metadataAttributes) filled() metadataAttributes {
	if a.Project == nil {
		a.Project = map[string]string{}
	}
	if a.Instance == nil {
		a.Instance = map[string]string{}
	}
	return a
}

func (c *control) setMetadata(w http.ResponseWriter, r *http.Request) (any, error) {
	var wanted metadataAttributes
	if err := readJSON(w, r, &wanted); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.metadata.SetAttributes(metadataserver.Attributes{Project: wanted.Project, Instance: wanted.Instance}); err != nil {
		return nil, err
	}
	c.attributes = wanted
	return wanted.filled(), nil
}

// signIn signs a browser in that a person or a test navigates here. It is a GET, because a browser that is told where
// to go makes nothing else; so what keeps pages from leading their readers here is Sec-Fetch-Site, which only a
// navigation that no page began has as "none".
func (c *control) signIn(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Goog-IAP-Generated-Response", "true")
	h.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet {
		h.Set("Allow", http.MethodGet)
		writeProblem(w, http.StatusMethodNotAllowed, "a browser is signed in by a navigation, which is a GET")
		return
	}
	if refused := refuseNavigation(r); refused != "" {
		writeProblem(w, http.StatusForbidden, refused)
		return
	}
	query := r.URL.Query()
	email, err := singleParameter(query, "account")
	next, err2 := singleParameter(query, "continue")
	if err = errors.Join(err, err2); err == nil && email == "" {
		err = errors.New("name the account: " + signInPath + "?account=alice@example.com&continue=" + c.info.URLs.App + "/")
	}
	if err == nil {
		email, err = c.accountFor(r.Context(), email)
	}
	if err != nil {
		writeProblem(w, statusOf(err), err.Error())
		return
	}
	if next == "" {
		next = c.info.URLs.App + "/"
	}
	if err := c.gate.SignIn(w, r, email, next); err != nil {
		writeProblem(w, http.StatusBadRequest, fmt.Sprintf("%s is not signed in, to go on to %q: %v", email, next, err))
	}
}

// toAuthHost sends a browser on to where sessions are kept, which only that host can do.
func (c *control) toAuthHost(w http.ResponseWriter, r *http.Request) {
	if refused := refuseNavigation(r); refused != "" {
		writeProblem(w, http.StatusForbidden, refused)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", c.info.URLs.Auth+signInPath+"?"+r.URL.RawQuery)
	w.WriteHeader(http.StatusFound)
}

// refuseNavigation says why a navigation that a page may have begun is refused.
func refuseNavigation(r *http.Request) string {
	if refused := refuseBrowsers(r); refused != "" {
		return refused
	}
	if mark := r.Header.Values(markHeader); len(mark) == 1 && mark[0] == "1" {
		return ""
	}
	if site := r.Header.Values("Sec-Fetch-Site"); len(site) == 1 && site[0] == "none" {
		return ""
	}
	return "sign-in is for browsers that are told to go here by a person or a test (Sec-Fetch-Site: none), and for programs that send " + markHeader + ": 1"
}

func singleParameter(query map[string][]string, name string) (string, error) {
	values := query[name]
	switch {
	case len(values) > 1:
		return "", fmt.Errorf("the parameter %s is there more than once", name)
	case len(values) == 0:
		return "", nil
	default:
		return strings.TrimSpace(values[0]), nil
	}
}
