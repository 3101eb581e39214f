package credentials

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Login signs a person in with a browser: open is given the address to go to, and the answer comes to a port of this
// machine that is open until then (RFC 8252). It waits until the person has answered or ctx ends.
func (c *Client) Login(ctx context.Context, authHost, email string, open func(address string) error) (Credential, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Credential{}, fmt.Errorf("no port to take the browser's answer at: %w", err)
	}
	attempt := newAttempt(authHost, "http://"+listener.Addr().String()+"/")
	server := &http.Server{Handler: attempt, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() { _ = server.Serve(listener) }() // ends with Shutdown
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(ending) // the browser gets its page
	}()
	if err := open(attempt.address(email)); err != nil {
		return Credential{}, err
	}
	select {
	case <-ctx.Done():
		return Credential{}, context.Cause(ctx)
	case answer := <-attempt.answers:
		if answer.err != nil {
			return Credential{}, answer.err
		}
		return c.redeem(ctx, attempt, answer.code)
	}
}

// attempt is one sign-in. It takes one answer: the first that proves to be for it.
type attempt struct {
	authHost, redirectURI, state, verifier string
	answers                                chan answer
}

type answer struct {
	code string
	err  error
}

func newAttempt(authHost, redirectURI string) *attempt {
	return &attempt{authHost: authHost, redirectURI: redirectURI, state: newSecret(), verifier: newSecret(), answers: make(chan answer, 1)}
}

func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (a *attempt) address(email string) string {
	challenge := sha256.Sum256([]byte(a.verifier))
	query := url.Values{
		"client_id": {ClientID}, "redirect_uri": {a.redirectURI}, "response_type": {"code"}, "scope": {"openid email"},
		"access_type": {"offline"}, "state": {a.state}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	if email != "" {
		query.Set("login_hint", email)
	}
	return a.authHost + pathAuthorize + "?" + query.Encode()
}

// ServeHTTP takes the browser's answer. Any page can send a browser here, so what does not know the state is not heard.
func (a *attempt) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	query := r.URL.Query()
	if r.Method != http.MethodGet || r.URL.Path != "/" || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(a.state)) != 1 {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, "This address takes the answer of one sign-in only.")
		return
	}
	got := answer{code: query.Get("code")}
	switch {
	case query.Get("iss") != a.authHost: // RFC 9207
		got.err = fmt.Errorf("the answer is from %q, not from %s", printable(query.Get("iss")), a.authHost)
	case query.Get("error") == "access_denied":
		got.err = errors.New("you did not allow it")
	case query.Get("error") != "":
		got.err = &Error{printable(query.Get("error")), printable(query.Get("error_description"))}
	case got.code == "":
		got.err = errors.New("the answer has no code")
	}
	if got.err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintln(w, "Not signed in. You can close this window; the terminal says why.")
	} else {
		fmt.Fprintln(w, "You are signed in. You can close this window and go back to the terminal.")
	}
	select {
	case a.answers <- got:
	default: // there was one already
	}
}

func (c *Client) redeem(ctx context.Context, a *attempt, code string) (Credential, error) {
	given, err := c.post(ctx, a.authHost+pathToken, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {ClientID}, "redirect_uri": {a.redirectURI}, "code": {code}, "code_verifier": {a.verifier},
	})
	if err != nil {
		return Credential{}, err
	}
	email, err := addressOf(given.ID)
	if err == nil && given.Refresh == "" {
		err = errors.New("the auth host gave no refresh token")
	}
	return Credential{Account: email, AuthHost: a.authHost, RefreshToken: given.Refresh}, err
}
