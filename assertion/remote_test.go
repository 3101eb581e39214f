package assertion_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// endpoint is a key endpoint without a network.
type endpoint struct {
	handler  atomic.Pointer[http.HandlerFunc]
	requests atomic.Int64
	foreign  atomic.Int64 // requests for anything but https://www.gstatic.com
	last     atomic.Pointer[http.Request]
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.requests.Add(1)
	e.last.Store(r)
	if r.URL.Scheme != "https" || r.URL.Host != "www.gstatic.com" {
		e.foreign.Add(1)
	}
	recorder := httptest.NewRecorder()
	(*e.handler.Load())(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

func (e *endpoint) serve(h http.HandlerFunc) { e.handler.Store(&h) }

// remote is a RemoteKeySet over an IAP's own key handler, with a clock to move.
type remote struct {
	*assertion.RemoteKeySet
	iap      *assertiontest.IAP
	clock    *clock
	endpoint *endpoint
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	r := &remote{iap: newIAP(), clock: newClock(noon), endpoint: &endpoint{}}
	r.iap.Now = r.clock.Now
	r.endpoint.serve(r.iap.KeyHandler().ServeHTTP)
	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{Client: &http.Client{Transport: r.endpoint}, Now: r.clock.Now, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteKeySet = keys
	return r
}

// settle waits for the fetch that is under way, if there is one.
func (r *remote) settle() { _ = r.Refresh(context.Background()) }

func (r *remote) expect(t *testing.T, when, keyID string, want error, requests int64) {
	t.Helper()
	key, err := r.Key(context.Background(), keyID)
	if !errors.Is(err, want) || (err == nil) != (key != nil) {
		t.Errorf("%s: got %v, %v; want error %v", when, key, err, want)
	}
	if got := r.endpoint.requests.Load(); got != requests {
		t.Errorf("%s: %d requests so far, want %d", when, got, requests)
	}
}

func down(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) }

func TestKeysAreFetchedOnceForTheirTime(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	keyID := r.iap.KeyID()
	r.expect(t, "at first", keyID, nil, 1)
	if url := r.endpoint.last.Load().URL.String(); url != assertion.GoogleKeysURL {
		t.Errorf("asked %s", url)
	}
	r.clock.Advance(53 * time.Minute)
	r.expect(t, "within the hour", keyID, nil, 1)
	r.clock.Advance(time.Minute)
	if _, err := r.Key(context.Background(), keyID); err != nil { // its last tenth: somebody asks, nobody waits
		t.Error(err)
	}
	r.settle()
	r.expect(t, "after the refresh", keyID, nil, 2)
	if etag := r.endpoint.last.Load().Header.Get("If-None-Match"); etag == "" {
		t.Error("the second request is not conditional")
	}
	r.clock.Advance(50 * time.Minute)
	r.expect(t, "304 keeps keys for another hour", keyID, nil, 2)
	r.clock.Advance(11 * time.Hour)
	r.expect(t, "after a quiet night the request waits for fresh keys", keyID, nil, 3)
}

func TestAWithdrawnKeyEndsWithTheNextAnswer(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	leaked := r.iap.KeyID()
	r.expect(t, "at first", leaked, nil, 1)
	successor := r.iap.Rotate()
	if err := r.iap.Withdraw(leaked); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(time.Hour)
	r.expect(t, "an hour later", leaked, assertion.ErrUnknownKey, 2)
	r.expect(t, "its successor", successor, nil, 2)
}

func TestAnUnknownKeyIDFetchesPastCachesButNotOften(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.expect(t, "at first", r.iap.KeyID(), nil, 1)
	r.expect(t, "right after a fetch", "other1", assertion.ErrUnknownKey, 1)
	r.clock.Advance(10 * time.Second)
	r.expect(t, "ten seconds later", "other1", assertion.ErrUnknownKey, 2)
	if got := r.endpoint.last.Load().Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control is %q", got)
	}
	r.expect(t, "another unknown one", "other2", assertion.ErrUnknownKey, 2)
	emergency := r.iap.Rotate()
	r.expect(t, "a rotation meanwhile", emergency, assertion.ErrUnknownKey, 2)
	r.clock.Advance(10 * time.Second)
	r.expect(t, "ten seconds on", emergency, nil, 3)
}

func TestLastGoodKeysCountForADayWhileTheEndpointIsDown(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	keyID := r.iap.KeyID()
	r.expect(t, "at first", keyID, nil, 1)
	for name, broken := range map[string]http.HandlerFunc{
		"502":             down,
		"no keys":         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"an empty object": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
		"a huge document": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[]}`+strings.Repeat(" ", 1<<20))
		},
		"someone else's": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://evil.invalid/")
			w.WriteHeader(302)
		},
		"a downgrade": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://www.gstatic.com/")
			w.WriteHeader(302)
		},
		"redirects forever": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", "/again"); w.WriteHeader(302) },
	} {
		r.endpoint.serve(broken)
		r.clock.Advance(2 * time.Hour)
		if _, err := r.Key(context.Background(), keyID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.Refresh(context.Background()); err == nil {
			t.Errorf("%s: taken for keys", name)
		}
	}
	if r.endpoint.foreign.Load() != 0 {
		t.Error("a redirect led to another host or scheme")
	}
	before := r.endpoint.requests.Load()
	for range 100 {
		if _, err := r.Key(context.Background(), keyID); err != nil {
			t.Error(err)
		}
	}
	r.expect(t, "a hundred requests in a moment", keyID, nil, before)
	r.clock.Advance(24*time.Hour - 14*time.Hour - time.Second)
	if _, err := r.Key(context.Background(), keyID); err != nil {
		t.Errorf("a second before the day is over: %v", err)
	}
	r.settle()
	r.clock.Advance(time.Second)
	if key, err := r.Key(context.Background(), keyID); err == nil || errors.Is(err, assertion.ErrUnknownKey) {
		t.Errorf("after a day: got %v, %v", key, err)
	}
	r.endpoint.serve(r.iap.KeyHandler().ServeHTTP)
	r.clock.Advance(30 * time.Second)
	if _, err := r.Key(context.Background(), keyID); err != nil {
		t.Errorf("the endpoint is back: %v", err)
	}
}

func TestAnEndpointThatPublishesNothingWithdrawsAll(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.expect(t, "at first", r.iap.KeyID(), nil, 1)
	r.endpoint.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) })
	r.clock.Advance(time.Hour)
	r.expect(t, "an hour later", r.iap.KeyID(), assertion.ErrUnknownKey, 2)
}

func TestWithoutAnyKeysEverythingIsRefusedAndItRecovers(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.endpoint.serve(down)
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{r.iap.Audience}, Keys: r, Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	token := r.iap.Mint("alice@example.com")
	for range 3 { // the second and third find that it is too early to ask again
		if _, err := verifier.Verify(context.Background(), token); !errors.Is(err, assertion.ErrKeysUnavailable) || !strings.Contains(err.Error(), "502") {
			t.Errorf("got %v", err)
		}
	}
	if got := r.endpoint.requests.Load(); got != 1 {
		t.Errorf("%d requests", got)
	}
	r.endpoint.serve(r.iap.KeyHandler().ServeHTTP)
	r.clock.Advance(time.Second)
	if _, err := verifier.Verify(context.Background(), token); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func TestA304ThatNobodyAskedForIsNoAnswer(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.endpoint.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	if err := r.Refresh(context.Background()); err == nil {
		t.Error("accepted")
	}
}

func TestOneFetchIsSharedAndNobodyWaitsBeyondTheirContext(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	r.endpoint.serve(func(w http.ResponseWriter, request *http.Request) {
		close(arrived) // a second fetch would panic
		<-release
		r.iap.KeyHandler().ServeHTTP(w, request)
	})
	impatient, cancel := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() {
		_, err := r.Key(impatient, r.iap.KeyID())
		first <- err
	}()
	<-arrived
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the impatient one got %v", err)
	}
	var group sync.WaitGroup
	patient := watchedContext{context.Background(), make(chan struct{}, 100)}
	for range 20 {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := r.Key(patient, r.iap.KeyID()); err != nil {
				t.Error(err) // although the request that started the fetch is gone
			}
		}()
	}
	for range 20 {
		<-patient.waiting
	}
	close(release)
	group.Wait()
	if got := r.endpoint.requests.Load(); got != 1 {
		t.Errorf("%d requests", got)
	}
}

// watchedContext tells when somebody begins to wait for it.
type watchedContext struct {
	context.Context
	waiting chan struct{}
}

func (w watchedContext) Done() <-chan struct{} {
	w.waiting <- struct{}{}
	return w.Context.Done()
}

func TestNobodyWaitsForAnEndpointThatHasJustFailed(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.expect(t, "at first", r.iap.KeyID(), nil, 1)
	r.endpoint.serve(down)
	r.clock.Advance(time.Hour)
	r.expect(t, "it is down", r.iap.KeyID(), nil, 2)
	release := make(chan struct{})
	var gaveUp atomic.Bool
	r.endpoint.serve(func(w http.ResponseWriter, request *http.Request) {
		select {
		case <-release:
		case <-request.Context().Done():
			gaveUp.Store(true)
		}
		down(w, request)
	})
	r.clock.Advance(time.Second) // time for the next try
	if _, err := r.Key(context.Background(), r.iap.KeyID()); err != nil {
		t.Error(err)
	}
	close(release)
	r.settle()
	if gaveUp.Load() {
		t.Error("the request waited until the fetch had timed out")
	}
	if got := r.endpoint.requests.Load(); got != 3 {
		t.Errorf("%d requests", got)
	}
}

func TestARedirectOnTheSameHostIsFollowed(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.endpoint.serve(func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/moved"+jwkPath {
			request.URL.Path = jwkPath
			r.iap.KeyHandler().ServeHTTP(w, request)
			return
		}
		http.Redirect(w, request, "/moved"+jwkPath, http.StatusFound)
	})
	if err := r.Refresh(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestKeyURLsThatOthersCouldAnswerAreRefused(t *testing.T) {
	t.Parallel()
	for url, accepted := range map[string]bool{
		"": true, "https://auth.example.com/iap/verify/public_key": true,
		"http://127.0.0.1:8080/iap/verify/public_key-jwk": true, "http://[::1]:8080/": true, "http://auth.localhost:8080/": true, "http://localhost/": true,
		"http://auth.example.com/": false, "http://localhost.example.com/": false, "http://10.0.0.1/": false, "ftp://localhost/": false, "file:///etc/keys": false,
		"https://": false, "keys.json": false, "https://u:p@auth.example.com/": false, "https://auth.example.com/#x": false, "http://127.0.0.1.example.com/": false, ":": false,
	} {
		if _, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: url}); (err == nil) != accepted {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: "http://gatehouse:8080/", InsecureAllowHTTP: true}); err != nil {
		t.Error(err)
	}
}

func TestAServerOfEitherFormatServesAVerifier(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	server := assertiontest.NewServer(iap)
	defer server.Close()
	for _, url := range []string{server.JWKURL, server.PEMURL} {
		keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: url, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{iap.Audience}, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		if claims, err := verifier.Verify(context.Background(), iap.Mint("alice@example.com")); err != nil || claims.Email != "alice@example.com" {
			t.Errorf("%s: %+v, %v", url, claims, err)
		}
	}
	if server.Requests() != 2 {
		t.Errorf("%d requests", server.Requests())
	}
	server.SetDown(true)
	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: server.JWKURL, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Refresh(context.Background()); err == nil || !strings.Contains(err.Error(), server.JWKURL) {
		t.Errorf("down: %v", err)
	}
}
