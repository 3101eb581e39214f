package assertion

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// GoogleKeysURL is where Google publishes IAP's keys. Gatehouse publishes its own under the same path on its
// auth host.
const GoogleKeysURL = "https://www.gstatic.com/iap/verify/public_key-jwk"

const (
	// maxStale bounds how long keys are used after the endpoint last answered. A proxy publishes a key 24 hours
	// before it signs with it, so that keys of that age still know every signer of a planned rotation; an outage
	// of up to a day therefore costs nobody anything. Longer, and two things go wrong at once: new signers are
	// unknown anyway, and a key that was withdrawn because it leaked would count for as long as somebody manages
	// to keep the application from asking.
	maxStale = 24 * time.Hour
	// minInterval is the least time between two fetches, whatever anybody sends: who invents key ids causes six
	// fetches a minute, and who meets a key minutes after an emergency rotation waits at most this long.
	minInterval = 10 * time.Second
	// fetchTimeout bounds one fetch, and so the longest that a request waits for keys.
	fetchTimeout = 5 * time.Second
	// firstRetry doubles with each failure up to lastRetry.
	firstRetry, lastRetry = time.Second, 30 * time.Second
	// failureMemory is how long after a failed fetch nobody waits for the next one while keys are at hand.
	failureMemory = 5 * time.Minute
)

// RemoteConfig says where keys come from.
type RemoteConfig struct {
	// URL of the keys, in either format; "" means GoogleKeysURL. It must be https, or http to this machine.
	URL string
	// Client fetches; nil means http.DefaultTransport, which obeys HTTPS_PROXY. Its CheckRedirect is not used:
	// a redirect is followed only to the same scheme and host.
	Client *http.Client
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Log is told about failed fetches; nil means slog.Default().
	Log *slog.Logger

	// InsecureAllowHTTP accepts an http URL of another machine. Whoever can alter that traffic can sign in as
	// anybody; it is meant for networks that end TLS elsewhere.
	InsecureAllowHTTP bool
}

// RemoteKeySet is a KeySet that fetches its keys and keeps them as HTTP caching allows:
//
//   - For as long as Cache-Control: max-age says (less Age; between a minute and a day, an hour when nothing is
//     said) keys are used without asking. In the last tenth of that time one request starts a fetch, with
//     If-None-Match, that nobody waits for.
//   - A kid that is not there causes a fetch past all caches, at most one in ten seconds.
//   - There is at most one fetch at a time; all who need it wait for the same one, each no longer than its context.
//   - While the endpoint is down, the last good keys count for 24 hours after its last answer, then none.
type RemoteKeySet struct {
	url    *url.URL
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	current atomic.Pointer[published] // nil before the first answer

	mu        sync.Mutex
	flight    *flight   // nil while none is under way
	notBefore time.Time // when the next may start
	failures  int       // since the last success
	failedAt  time.Time
	failure   error // of the last fetch; nil when it succeeded
}

// published is one answer of the endpoint. It is never changed.
type published struct {
	keys      StaticKeySet
	etag      string
	lifetime  time.Duration // as the endpoint last said
	refreshAt time.Time     // from here on somebody should ask
	expires   time.Time     // from here on somebody must ask
	bound     time.Time     // from here on nothing counts
}

func (p *published) key(keyID string, now time.Time) *ecdsa.PublicKey {
	if p == nil || !now.Before(p.bound) {
		return nil
	}
	return p.keys[keyID]
}

// flight is one fetch; err is set before done is closed.
type flight struct {
	done chan struct{}
	err  error
}

// NewRemoteKeySet returns a RemoteKeySet that has fetched nothing yet; see [RemoteKeySet.Refresh].
func NewRemoteKeySet(config RemoteConfig) (*RemoteKeySet, error) {
	address := config.URL
	if address == "" {
		address = GoogleKeysURL
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("assertion: %s is not a URL to fetch keys from", quote(address))
	case u.Scheme == "http" && !config.InsecureAllowHTTP && !local(u.Hostname()):
		return nil, fmt.Errorf("assertion: keys from %s could be replaced on the way: use https, or set InsecureAllowHTTP", quote(address))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("assertion: %s is not an https URL", quote(address))
	}
	r := &RemoteKeySet{url: u, client: &http.Client{}, now: config.Now, log: config.Log}
	if config.Client != nil {
		*r.client = *config.Client
	}
	r.client.CheckRedirect = r.checkRedirect
	r.client.Jar = nil
	if r.now == nil {
		r.now = time.Now
	}
	return r, nil
}

// local reports whether a host name can only mean this machine (RFC 6761 for names under localhost).
func local(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Key implements [KeySet].
func (r *RemoteKeySet) Key(ctx context.Context, keyID string) (*ecdsa.PublicKey, error) {
	now := r.now()
	p := r.current.Load()
	key := p.key(keyID, now)
	if key != nil && now.Before(p.refreshAt) {
		return key, nil
	}
	if key != nil && (now.Before(p.expires) || r.failedRecently(now)) {
		_, _ = r.start(now, false) // nobody waits for it, and run reports how it went
		return key, nil
	}
	err := r.refresh(ctx, now, key == nil)
	if key = r.current.Load().key(keyID, r.now()); key != nil {
		return key, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, ErrUnknownKey
}

// Refresh fetches the keys now unless this happened within the last seconds. Call it at start to find out
// early that they cannot be had; nothing else needs it.
func (r *RemoteKeySet) Refresh(ctx context.Context) error {
	if err := r.refresh(ctx, r.now(), false); err != nil {
		return fmt.Errorf("assertion: keys from %s: %w", quote(r.url.String()), err)
	}
	return nil
}

// refresh joins the fetch that is under way or starts one, and waits for it. When none may start yet it returns
// how the last one ended.
func (r *RemoteKeySet) refresh(ctx context.Context, now time.Time, pastCaches bool) error {
	f, err := r.start(now, pastCaches)
	if f == nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for keys: %w", context.Cause(ctx))
	}
}

func (r *RemoteKeySet) start(now time.Time, pastCaches bool) (*flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight != nil {
		return r.flight, nil
	}
	if now.Before(r.notBefore) {
		return nil, r.failure
	}
	r.flight = &flight{done: make(chan struct{})}
	go r.run(r.flight, pastCaches)
	return r.flight, nil
}

// run fetches for everybody who waits, and therefore under no request's context.
func (r *RemoteKeySet) run(f *flight, pastCaches bool) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	next, err := r.fetch(ctx, r.current.Load(), pastCaches)

	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if err == nil {
		r.current.Store(next)
		r.failures, r.failure = 0, nil
		r.notBefore = now.Add(minInterval)
	} else {
		r.notBefore = now.Add(min(lastRetry, firstRetry<<min(r.failures, 10)))
		r.failures++
		r.failure, r.failedAt = err, now
		r.warn(err)
	}
	f.err = err
	r.flight = nil
	close(f.done)
}

func (r *RemoteKeySet) failedRecently(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure != nil && now.Sub(r.failedAt) < failureMemory
}

func (r *RemoteKeySet) warn(err error) {
	log := r.log
	if log == nil {
		log = slog.Default()
	}
	log.Warn("cannot fetch the keys of IAP assertions", "url", r.url.String(), "error", err, "failures", r.failures)
}
