package oauthserver

import (
	"encoding/base64"
	"math/big"
	"net/http"
	"strings"
)

// AccountKeys publishes the public keys of a service account as a JWK set, below PathAccountKeys, as Google does: for
// whoever verifies what the account has signed.
func (s *Server) AccountKeys(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		s.writeFault(w, r, &fault{http.StatusMethodNotAllowed, errInvalidRequest, "use GET"})
		return
	}
	keys, found := s.Directory().AccountKeys(strings.TrimPrefix(r.URL.Path, PathAccountKeys), s.Now())
	if !found {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "not_found", "error_description": "there is no such service account"})
		return
	}
	type jwk struct {
		ID        string `json:"kid"`
		Type      string `json:"kty"`
		Algorithm string `json:"alg"`
		Use       string `json:"use"`
		Modulus   string `json:"n"`
		Exponent  string `json:"e"`
	}
	set := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	for _, key := range keys {
		encode := base64.RawURLEncoding.EncodeToString
		set.Keys = append(set.Keys, jwk{
			key.ID, "RSA", "RS256", "sig", encode(key.Public.N.Bytes()), encode(big.NewInt(int64(key.Public.E)).Bytes()),
		})
	}
	writeJSON(w, http.StatusOK, set)
}
