package issuer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The paths at which keys are published. The first two are those of www.gstatic.com, the others those of an
// OpenID Connect issuer.
const (
	PathPublicKey    = "/iap/verify/public_key"
	PathPublicKeyJWK = "/iap/verify/public_key-jwk"
	PathDiscovery    = "/.well-known/openid-configuration"
	PathCerts        = "/oauth2/v3/certs"
)

// The endpoints of the authorization server, which the discovery document leads to (oauthserver).
const (
	PathAuthorize = "/o/oauth2/v2/auth"
	PathToken     = "/token"
	PathRevoke    = "/revoke"
	PathUserinfo  = "/v1/userinfo"
)

// Endpoints publishes keys. It is used by pointer.
type Endpoints struct {
	Keys func() *KeySet
	Now  func() time.Time
	// IssuerURL is the `iss` of ID tokens: the auth host's URL without a slash at the end.
	IssuerURL string

	assertion, idToken atomic.Pointer[publication]
}

// publication is the answer to every request for the keys of one purpose, valid for one key set and a stretch
// of time: nothing is marshalled per request.
type publication struct {
	keys        *KeySet
	from, until time.Time // until is zero when time alone changes nothing
	documents   map[string]*document
}

type document struct {
	body   []byte
	etag   string
	length string
}

// Assertion serves the keys of assertions, in both of Google's formats.
func (e *Endpoints) Assertion() http.Handler {
	return e.handler(Assertion, &e.assertion, func(keys []PublicKey) (map[string]any, error) {
		pems, err := pemMap(keys)
		return map[string]any{PathPublicKey: pems, PathPublicKeyJWK: jwkSet(keys)}, err
	})
}

// Discovery serves the keys of ID tokens and the document that leads to them.
func (e *Endpoints) Discovery() http.Handler {
	return e.handler(IDToken, &e.idToken, func(keys []PublicKey) (map[string]any, error) {
		return map[string]any{PathDiscovery: newMetadata(e.IssuerURL), PathCerts: jwkSet(keys)}, nil
	})
}

type buildFunc func(keys []PublicKey) (map[string]any, error)

func (e *Endpoints) handler(p Purpose, cached *atomic.Pointer[publication], build buildFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys, now := e.Keys(), e.Now()
		current := cached.Load()
		if current == nil || !current.valid(keys, now) {
			var err error
			if current, err = newPublication(keys, p, now, build); err != nil {
				unavailable(w)
				return
			}
			cached.Store(current)
		}
		current.serve(w, r)
	})
}

func (p *publication) valid(keys *KeySet, now time.Time) bool {
	return p.keys == keys && !now.Before(p.from) && (p.until.IsZero() || now.Before(p.until))
}

func newPublication(keys *KeySet, p Purpose, now time.Time, build buildFunc) (*publication, error) {
	list := keys.Published(p, now)
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no key is published", p)
	}
	values, err := build(list)
	if err != nil {
		return nil, err
	}
	publication := &publication{
		keys: keys, from: now, until: keys.publishedUntil(p, now), documents: make(map[string]*document, len(values)),
	}
	for path, value := range values {
		body, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		publication.documents[path] = &document{
			body: body, etag: `"` + hex.EncodeToString(sum[:16]) + `"`, length: strconv.Itoa(len(body)),
		}
	}
	return publication, nil
}

func (p *publication) serve(w http.ResponseWriter, r *http.Request) {
	document, found := p.documents[r.URL.Path]
	if !found {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	header.Set("Cache-Control", cacheControl)
	header.Set("ETag", document.etag)
	if matches(r.Header.Values("If-None-Match"), document.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", document.length)
	if r.Method == http.MethodGet {
		_, _ = w.Write(document.body) // a client that is gone needs no answer
	}
}

var cacheControl = "public, max-age=" + strconv.Itoa(int(MaxAge/time.Second))

// unavailable answers while no key exists yet. An empty set would be kept for an hour by those who read it.
func unavailable(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "1")
	http.Error(w, "the keys are not ready yet", http.StatusServiceUnavailable)
}

// matches compares weakly, as RFC 9110 asks for If-None-Match.
func matches(fields []string, etag string) bool {
	for _, field := range fields {
		for candidate := range strings.SplitSeq(field, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}
