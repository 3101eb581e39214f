package oauthserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// world stands for everything around the server: one program, one audience, one code, one refresh token, one assertion.
type world struct{ now time.Time }

const (
	theProgram   = "desktop"
	theAssertion = "good.assertion.x"
	theVerifier  = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
	theRedirect  = "http://127.0.0.1:1/"
)

var (
	theCode    = codePrefix + strings.Repeat("A", 43)
	theRefresh = refreshPrefix + strings.Repeat("A", 43)
)

func (w world) Suspended(principal.Identity) bool      { return false }
func (w world) Audience(id string) bool                { return id == "app" }
func (w world) Client(id string) (string, bool)        { return id, id == theProgram }
func (w world) AccountKey(id string, _ time.Time) bool { return id == "kid" }
func (w world) AccountKeys(string, time.Time) ([]*directory.VerificationKey, bool) {
	return nil, false
}

func (w world) VerifyAssertion(assertion string, _ ...string) (bearer.Grant, error) {
	if assertion != theAssertion {
		return bearer.Grant{}, &bearer.Refusal{Text: "no", Cause: errors.New("no")}
	}
	return bearer.Grant{Identity: person, KeyID: "kid"}, nil
}

var person = principal.Identity{Kind: principal.User, Provider: "local", Subject: "1", Email: "alice@example.com"}

func (w world) record() session.Record {
	return session.Record{ID: session.ID{1}, Identity: person, Expires: w.now.Add(time.Hour)}
}

func (w world) PutCode(context.Context, Code) error { return nil }

func (w world) RedeemCode(_ context.Context, hash Hash, _ time.Time, f func(Code, session.Record) (Grant, error)) error {
	if hash != hashOf(theCode) {
		return ErrGone
	}
	challenge := hashOf(theVerifier)
	_, err := f(Code{Hash: hash, Client: theProgram, RedirectURI: theRedirect, Challenge: encoding.EncodeToString(challenge[:])}, w.record())
	return err
}

func (w world) Grant(_ context.Context, _ GrantID, refresh Hash) (Grant, session.Record, error) {
	if refresh != hashOf(theRefresh) {
		return Grant{}, session.Record{}, ErrGone
	}
	return Grant{ID: GrantID{1}, Client: theProgram, Expires: w.now.Add(time.Hour)}, w.record(), nil
}

func (w world) EndGrant(context.Context, GrantID) error { return nil }

func newServer(t testing.TB) *Server {
	t.Helper()
	root := make([]byte, 32)
	rand.Read(root) // never fails; the processes that fuzz must not open each other's seeds
	ring, err := sealing.NewRing(root)
	if err != nil {
		t.Fatal(err)
	}
	w := world{now: time.Unix(1_800_000_000, 0)}
	return &Server{
		URL: "https://auth.example.com", Store: w, Assertions: w, Directory: func() Directory { return w }, Sealer: ring.Sealer("test"),
		MintIDToken: func(_ context.Context, c issuer.IDTokenClaims) (string, error) {
			return "id token for " + c.Audience, nil
		},
		ClientAddr: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") },
		Now:        func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	}
}

func postForm(s *Server, body string) (*httptest.ResponseRecorder, map[string]any) {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.Token(w, r)
	answer := map[string]any{}
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	return w, answer
}

// Whatever form arrives: the answer is JSON with tokens or with an error, and tokens come only for what is good.
func FuzzTokenForm(f *testing.F) {
	for _, seed := range []string{
		"grant_type=refresh_token&client_id=desktop&refresh_token=" + theRefresh,
		"grant_type=refresh_token&client_id=desktop&audience=app&refresh_token=" + theRefresh,
		"grant_type=authorization_code&client_id=desktop&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F&code_verifier=" + theVerifier + "&code=" + theCode,
		"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + theAssertion,
		"grant_type=password", "grant_type", "%", "a=b&a=c", "", "&&&=;", "grant_type=refresh_token;client_id=desktop",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := newServer(t)
		w, answer := postForm(s, body)
		given := answer["access_token"] != nil || answer["id_token"] != nil || answer["refresh_token"] != nil
		switch {
		case w.Code == http.StatusOK != given || given == (answer["error"] != nil):
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		case given && !strings.Contains(body, theRefresh[len(refreshPrefix):]) && !strings.Contains(body, "assertion"):
			t.Fatalf("%q was given tokens: %s", body, w.Body)
		case w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Set-Cookie") != "":
			t.Fatalf("%q: %v", body, w.Header())
		}
	})
}

// Whatever is sent as an access token: only one that was sealed here opens.
func FuzzAccessToken(f *testing.F) {
	s := newServer(f)
	good := s.sealAccess(access{Key: "kid", Identity: person, Expires: s.Now().Add(time.Hour).Unix()})
	for _, seed := range []string{good, good[:len(good)-1], good + "A", bearer.AccessTokenPrefix, "", theRefresh, "a.b.c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		identity, _, err := s.AccessToken(t.Context(), token)
		if (err == nil) != (token == good) || err == nil && identity != person {
			t.Fatalf("%q: %v, %v", token, identity, err)
		}
	})
}

func TestAnAccessTokenEndsAfterAnHour(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	now := s.Now()
	s.Now = func() time.Time { return now }
	token := s.accessToken(access{Key: "kid", Identity: person}).AccessToken
	if _, _, err := s.AccessToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if _, _, err := s.AccessToken(t.Context(), token); !errors.Is(err, ErrGone) {
		t.Errorf("after an hour: %v", err)
	}
	now = now.Add(-time.Hour)
	if _, _, err := s.AccessToken(t.Context(), s.accessToken(access{Key: "gone", Identity: person}).AccessToken); !errors.Is(err, ErrGone) {
		t.Errorf("of a key that is gone: %v", err)
	}
}

func TestAudiencesThatNobodyTakesAreRefusedBeforeAnythingIsSigned(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.MintIDToken = func(_ context.Context, c issuer.IDTokenClaims) (string, error) {
		if c.Audience != "app" && c.Audience != theProgram {
			t.Errorf("a token for %q was signed", c.Audience)
		}
		return "token", nil
	}
	for audience, want := range map[string]int{"": 200, "app": 200, theProgram: 200, "https://app.example.com/": 400, "APP": 400, "app ": 400} {
		w, _ := postForm(s, "grant_type=refresh_token&client_id=desktop&audience="+strings.ReplaceAll(audience, " ", "+")+"&refresh_token="+theRefresh)
		if w.Code != want {
			t.Errorf("%q: %d %s", audience, w.Code, w.Body)
		}
	}
}
