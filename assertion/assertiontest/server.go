package assertiontest

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// Server publishes the keys of an [IAP] over HTTP as Google does, in both formats, with Cache-Control and ETag.
// Give one of its URLs to an application that fetches keys.
type Server struct {
	// JWKURL and PEMURL are the addresses of the two formats.
	JWKURL, PEMURL string

	server   *httptest.Server
	down     atomic.Bool
	requests atomic.Int64
}

// NewServer starts a Server on a port of this machine; the caller closes it.
func NewServer(p *IAP) *Server {
	s := &Server{}
	keys := p.KeyHandler()
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if s.down.Load() {
			http.Error(w, "down for a test", http.StatusServiceUnavailable)
			return
		}
		keys.ServeHTTP(w, r)
	}))
	s.JWKURL = s.server.URL + "/iap/verify/public_key-jwk"
	s.PEMURL = s.server.URL + "/iap/verify/public_key"
	return s
}

// Close stops the server.
func (s *Server) Close() { s.server.Close() }

// SetDown makes the server answer 503 to everything, or serve again.
func (s *Server) SetDown(down bool) { s.down.Store(down) }

// Requests returns how many requests have come, those answered with 304 or 503 included.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// KeyHandler serves the keys at /iap/verify/public_key and /iap/verify/public_key-jwk.
func (p *IAP) KeyHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		switch r.URL.Path {
		case "/iap/verify/public_key":
			body = p.pemMap()
		case "/iap/verify/public_key-jwk":
			body = p.jwkSet()
		default:
			http.NotFound(w, r)
			return
		}
		digest := sha256.Sum256(body)
		etag := `"` + base64.RawURLEncoding.EncodeToString(digest[:12]) + `"`
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Cache-Control", "public, max-age=3600")
		header.Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(body) // a client that has gone needs no answer
	})
}

func (p *IAP) published() []key {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.keys // Rotate and Withdraw never change a key in place
}

func (p *IAP) pemMap() []byte {
	all := map[string]string{}
	for _, k := range p.published() {
		all[k.id] = string(publicPEM(k))
	}
	return marshal(all)
}

func (p *IAP) jwkSet() []byte {
	all := []map[string]string{}
	for _, k := range p.published() {
		all = append(all, jwk(k))
	}
	return marshal(map[string]any{"keys": all})
}

func publicPEM(k key) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER(k)})
}

func jwk(k key) map[string]string {
	der := publicDER(k)
	point := der[len(der)-64:] // x || y end the PKIX form
	return map[string]string{
		"alg": "ES256", "crv": "P-256", "kid": k.id, "kty": "EC", "use": "sig",
		"x": encode(point[:32]), "y": encode(point[32:]),
	}
}

func publicDER(k key) []byte {
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		panic(err) // P-256 keys have such a form
	}
	return der
}
