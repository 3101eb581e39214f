package credentials

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The endpoints of an auth host.
const (
	pathAuthorize = "/o/oauth2/v2/auth"
	pathToken     = "/token"
	pathRevoke    = "/revoke"
)

// ClientID is the OAuth client id of this program.
const ClientID = "gatehouse-cli"

// AuthHost reads the URL of an auth host as a person writes it. Secrets go there: plain HTTP is for this machine only.
func AuthHost(written string) (string, error) {
	if !strings.Contains(written, "://") {
		written = "https://" + written
	}
	u, err := url.Parse(strings.TrimSuffix(written, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("auth host %q is not a URL such as https://auth.example.com", written)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("auth host %q: secrets would go over the network in the clear: use https", written)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

// AuthHost is where the key of a service account is used.
func (k KeyFile) AuthHost() (string, error) {
	base, found := strings.CutSuffix(k.TokenURI, pathToken)
	if !found {
		return "", fmt.Errorf("token_uri %q is not the token endpoint of a gatehouse: it ends in %s", k.TokenURI, pathToken)
	}
	return AuthHost(base)
}

// isLoopback reports whether a host is this machine, whatever a name server says (RFC 6761).
func isLoopback(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.IsLoopback()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Tokens are what an auth host gives.
type Tokens struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// Client asks auth hosts. The zero value is ready to use.
type Client struct {
	// HTTP is the client to use; nil for one that follows no redirects and finds *.localhost on this machine.
	HTTP *http.Client
	Now  func() time.Time // nil for time.Now
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		if isLoopback(r.URL.Hostname()) {
			return nil, nil
		}
		return http.ProxyFromEnvironment(r)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
			address = net.JoinHostPort("127.0.0.1", port)
		}
		return dialer.DialContext(ctx, network, address)
	}
	return &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Error is an error that an auth host answered with.
type Error struct{ Code, Description string }

func (e *Error) Error() string {
	if e.Description == "" {
		return e.Code
	}
	return e.Description + " (" + e.Code + ")"
}

// post sends a form to an endpoint and reads its answer.
func (c *Client) post(ctx context.Context, address string, form url.Values) (Tokens, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return Tokens{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := c.http().Do(request)
	if err != nil {
		return Tokens{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 256<<10))
	if err != nil {
		return Tokens{}, err
	}
	var answer struct {
		Tokens
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || response.StatusCode != http.StatusOK && answer.Code == "" {
		return Tokens{}, fmt.Errorf("what answers at %s (%s) is not an auth host of gatehouse", address, response.Status)
	}
	if answer.Code != "" {
		return Tokens{}, &Error{printable(answer.Code), printable(answer.Description)}
	}
	for _, token := range []string{answer.Access, answer.ID, answer.Refresh} {
		if strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0 {
			return Tokens{}, fmt.Errorf("%s gave a token that is none", address)
		}
	}
	return answer.Tokens, nil
}

// printable keeps what a stranger's server says from controlling the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// ErrAudience reports that an audience is needed.
var ErrAudience = errors.New("name whom the token is for with --audiences: the application's OAuth client id")

// IDToken returns an ID token for an audience. A person's may be left out: the token is for this program then, and taken
// by applications that list it among their programmatic clients.
func (c *Client) IDToken(ctx context.Context, credential Credential, audience string) (string, error) {
	var form url.Values
	if credential.Key != nil {
		if audience == "" {
			return "", ErrAudience
		}
		var err error
		if form, err = c.assertion(credential.Key, audience); err != nil {
			return "", err
		}
	} else {
		form = refreshForm(credential)
		if audience != "" {
			form.Set("audience", audience)
		}
	}
	given, err := c.post(ctx, credential.AuthHost+pathToken, form)
	if err == nil && given.ID == "" {
		err = errors.New("the auth host gave no ID token")
	}
	return given.ID, explain(err, credential)
}

// AccessToken returns an access token.
func (c *Client) AccessToken(ctx context.Context, credential Credential) (string, error) {
	form := refreshForm(credential)
	if credential.Key != nil {
		var err error
		if form, err = c.assertion(credential.Key, ""); err != nil {
			return "", err
		}
	}
	given, err := c.post(ctx, credential.AuthHost+pathToken, form)
	if err == nil && given.Access == "" {
		err = errors.New("the auth host gave no access token")
	}
	return given.Access, explain(err, credential)
}

// Revoke ends a person's credential at the auth host. That it has ended already is no error.
func (c *Client) Revoke(ctx context.Context, credential Credential) error {
	if credential.RefreshToken == "" {
		return nil
	}
	_, err := c.post(ctx, credential.AuthHost+pathRevoke, url.Values{"token": {credential.RefreshToken}, "client_id": {ClientID}})
	return err
}

func refreshForm(credential Credential) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {ClientID}, "refresh_token": {credential.RefreshToken}}
}

func (c *Client) assertion(key *KeyFile, audience string) (url.Values, error) {
	assertion, err := key.assertion(audience, c.now())
	return url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}, err
}

// explain says what to do about a credential that is not good any more.
func explain(err error, credential Credential) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Code == "invalid_grant" && credential.Key == nil {
		return fmt.Errorf("%s: %w: run `gatehouse auth login --auth-host %s`", credential.Account, err, credential.AuthHost)
	}
	return err
}

// addressOf reads whose ID token it is. It came from the auth host itself, so it is not verified here.
func addressOf(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("the auth host gave no ID token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("ID token: %w", err)
	}
	var claims struct {
		Email string `json:"email"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Email == "" || printable(claims.Email) != claims.Email {
		return "", errors.New("the ID token does not say whose it is")
	}
	return claims.Email, nil
}
