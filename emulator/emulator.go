// Package emulator tells a running `gatehouse dev` what a test wants of it: accounts, groups and policy, assertions of
// any claims, keys that rotate, a key endpoint that fails, a gate that is off, what was decided, and everything as it
// was at the start. It imports the standard library only, and has no part of the gate in it.
//
//	c := emulator.FromEnvironment() // set for the command of gatehouse dev --exec
//	token, err := c.IDToken(ctx, "alice@example.com", "")
package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// DefaultEndpoint is where `gatehouse dev` listens.
const DefaultEndpoint = "http://127.0.0.1:8080"

// Client talks to one `gatehouse dev`.
type Client struct {
	// Endpoint is its address for programs, such as DefaultEndpoint.
	Endpoint string
	// HTTP asks; nil asks without a proxy, since the emulator is on the same machine.
	HTTP *http.Client
}

// FromEnvironment returns a client of the emulator that GATEHOUSE_ENDPOINT names, else of the one at DefaultEndpoint.
func FromEnvironment() *Client {
	endpoint := os.Getenv("GATEHOUSE_ENDPOINT")
	if endpoint == "" {
		endpoint = DefaultEndpoint
	}
	return &Client{Endpoint: endpoint}
}

// Info is what the emulator says of itself: what its ready file has.
type Info struct {
	PID            int       `json:"pid"`
	Audience       string    `json:"audience"`
	ClientID       string    `json:"client_id"`
	Project        string    `json:"project"`
	ProjectNumber  string    `json:"project_number"`
	DataDir        string    `json:"data_dir"`
	CAFile         string    `json:"ca_file"`
	ServiceAccount string    `json:"service_account"`
	Accounts       []Account `json:"accounts"`
	URLs           URLs      `json:"urls"`
}

// URLs are where the emulator answers.
type URLs struct {
	App      string `json:"app"`
	Auth     string `json:"auth"`
	Keys     string `json:"keys"`
	Machine  string `json:"machine"`
	Metadata string `json:"metadata"`
}

// Account is a person. Only Email is needed to create one: the subject is drawn, and the organisation is the domain of
// the address.
type Account struct {
	Email        string  `json:"email"`
	Subject      string  `json:"subject,omitempty"`
	DisplayName  string  `json:"display_name,omitempty"`
	HostedDomain *string `json:"hosted_domain,omitempty"`
	// Password is what the account signs in with; it is not chosen.
	Password string `json:"password,omitempty"`
	// Access says in words what a new store lets the account do.
	Access string `json:"access,omitempty"`
}

// Info describes the emulator.
func (c *Client) Info(ctx context.Context) (info Info, err error) {
	return info, c.call(ctx, http.MethodGet, "info", nil, &info)
}

// IDToken returns a bearer token that speaks for an account; without an audience it is for the app.
func (c *Client) IDToken(ctx context.Context, email, audience string) (string, error) {
	var answer struct{ Token string }
	err := c.call(ctx, http.MethodPost, "accounts/"+url.PathEscape(email)+":generateIdToken", map[string]any{"audience": audience}, &answer)
	return answer.Token, err
}

// Assertion says what an assertion is to be.
type Assertion struct {
	// Email is whom it names; empty names nobody, as for allUsers.
	Email string
	// Audience is the app's own when it is empty.
	Audience string
	// Age is how long ago it was made: 11 minutes for one that has expired, less than nothing for one of the future.
	Age time.Duration
	// Claims replace those that the above make; nil takes one out.
	Claims map[string]any
	// Header replaces members of the JOSE header, for an app that must not believe them; nil takes one out.
	Header map[string]any
}

// SignAssertion signs an assertion with the emulator's key.
func (c *Client) SignAssertion(ctx context.Context, a Assertion) (string, error) {
	var answer struct{ Assertion string }
	question := map[string]any{"email": a.Email, "audience": a.Audience, "age": a.Age.String(), "claims": a.Claims}
	if len(a.Header) > 0 {
		question["header"] = a.Header
	}
	err := c.call(ctx, http.MethodPost, "assertions", question, &answer)
	return answer.Assertion, err
}

// CreateAccount creates an account and returns it with what was left open.
func (c *Client) CreateAccount(ctx context.Context, a Account) (created Account, err error) {
	a.Password, a.Access = "", ""
	return created, c.call(ctx, http.MethodPost, "accounts", a, &created)
}

// PutGroup makes or replaces a group.
func (c *Client) PutGroup(ctx context.Context, email string, members ...string) error {
	return c.call(ctx, http.MethodPut, "groups/"+url.PathEscape(email), map[string]any{"members": members}, nil)
}

// Policy is an IAM policy.
type Policy struct {
	Bindings []Binding `json:"bindings"`
	Etag     string    `json:"etag,omitempty"`
	Version  int       `json:"version,omitempty"`
}

// Binding grants a role to members.
type Binding struct {
	Role    string   `json:"role"`
	Members []string `json:"members"`
}

// RoleAccessor is the role that lets members use an app.
const RoleAccessor = "roles/iap.httpsResourceAccessor"

// Policy returns the app's policy.
func (c *Client) Policy(ctx context.Context) (policy Policy, err error) {
	return policy, c.call(ctx, http.MethodGet, "policy", nil, &policy)
}

// SetPolicy replaces the app's policy. It counts for requests once it returns.
func (c *Client) SetPolicy(ctx context.Context, policy Policy) error {
	return c.call(ctx, http.MethodPut, "policy", policy, nil)
}

// RotateKeys makes another key that signs from now on, and returns its id. With revoke, the one before is not published
// any more.
func (c *Client) RotateKeys(ctx context.Context, revoke bool) (string, error) {
	var answer struct {
		KeyID string `json:"key_id"`
	}
	err := c.call(ctx, http.MethodPost, "keys:rotate", map[string]bool{"revoke": revoke}, &answer)
	return answer.KeyID, err
}

// BreakKeyEndpoint makes the endpoint of keys wait, and then answer with the status of an error; 0 is none.
func (c *Client) BreakKeyEndpoint(ctx context.Context, status int, delay time.Duration) error {
	return c.call(ctx, http.MethodPut, "key-endpoint", map[string]any{"status": status, "delay": delay.String()}, nil)
}

// MendKeyEndpoint ends that. Who waits is answered.
func (c *Client) MendKeyEndpoint(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "key-endpoint", nil, nil)
}

// SetIAP turns the gate on or off: while it is off, requests pass without identity.
func (c *Client) SetIAP(ctx context.Context, on bool) error {
	return c.call(ctx, http.MethodPut, "iap", map[string]bool{"enabled": on}, nil)
}

// SetMetadata replaces the attributes of project and instance that the metadata server has.
func (c *Client) SetMetadata(ctx context.Context, project, instance map[string]string) error {
	return c.call(ctx, http.MethodPut, "metadata", map[string]any{"project_attributes": project, "instance_attributes": instance}, nil)
}

// Decision is what the gate decided about one request.
type Decision struct {
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	Passed     bool      `json:"passed"`
	Reason     string    `json:"reason"`
	Status     int       `json:"status"` // of its own answer; 0 when the request was forwarded
	Method     string    `json:"method"`
	Host       string    `json:"host"`
	Path       string    `json:"path"`
	Resource   string    `json:"resource"`
	Account    string    `json:"account"`
	Subject    string    `json:"subject"`
	Credential string    `json:"credential"` // "session", "bearer" or nothing
	KeyID      string    `json:"key_id"`     // that signed the assertion
}

// Filter selects decisions; what is zero selects all.
type Filter struct {
	Account, Reason, Method, Host, Path string
	Status                              int
	// After is the id of the last decision that is known already.
	After string
	// Limit keeps the newest.
	Limit int
}

// Decisions lists what was decided lately, oldest first.
func (c *Client) Decisions(ctx context.Context, f Filter) ([]Decision, error) {
	query := url.Values{}
	for name, value := range map[string]string{
		"account": f.Account, "reason": f.Reason, "method": f.Method, "host": f.Host, "path": f.Path, "after": f.After,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, value := range map[string]int{"status": f.Status, "limit": f.Limit} {
		if value != 0 {
			query.Set(name, strconv.Itoa(value))
		}
	}
	var answer struct{ Decisions []Decision }
	err := c.call(ctx, http.MethodGet, "decisions?"+query.Encode(), nil, &answer)
	return answer.Decisions, err
}

// Reset brings everything back to how it was when the emulator became ready. Sessions end; signing keys stay.
func (c *Client) Reset(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "reset", nil, nil)
}

// SignInURL is where to send a browser to sign it in as an account, which is created when it is not there. next is
// where it goes on to, on a host of the emulator; empty is the app.
func (c *Client) SignInURL(email, next string) string {
	query := url.Values{"account": {email}}
	if next != "" {
		query.Set("continue", next)
	}
	return c.address("sign-in?" + query.Encode())
}

func (c *Client) address(path string) string {
	return strings.TrimSuffix(c.Endpoint, "/") + "/emulator/v1/" + path
}

// Error is what the emulator refuses.
type Error struct {
	Status int
	Detail string
}

func (e *Error) Error() string {
	return fmt.Sprintf("gatehouse dev answers %d: %s", e.Status, e.Detail)
}

// withoutProxy asks the same machine.
var withoutProxy = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}

// call asks, and reads the answer into one.
func (c *Client) call(ctx context.Context, method, path string, question, answer any) error {
	body := io.Reader(http.NoBody)
	if question != nil {
		content, err := json.Marshal(question)
		if err != nil {
			return err
		}
		body = bytes.NewReader(content)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.address(path), body)
	if err != nil {
		return err
	}
	request.Header.Set("X-Gatehouse-Emulator", "1")
	request.Header.Set("Content-Type", "application/json")
	client := c.HTTP
	if client == nil {
		client = withoutProxy
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		_ = json.Unmarshal(content, &problem) // without one, the status must do
		return &Error{response.StatusCode, problem.Detail}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return errors.Join(errors.New("what answers is not gatehouse dev"), err)
	}
	return nil
}
