package server

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
)

// Development is what `gatehouse dev` may and production may not.
type Development struct {
	// Account is signed in without a question where nobody is; empty for none.
	Account string
	// WrapKeys stands before the publication of assertion keys, to make it slow or fail; nil for nothing.
	WrapKeys func(http.Handler) http.Handler
	// Decision hears of every decision. It must not wait, nor keep the pointer; nil for nobody.
	Decision func(*audit.Decision)
}

var errNotDev = errors.New("only gatehouse dev does this")

// SignAssertion signs any claims, given as JSON, with the key of assertions. The header is the usual one with these
// members changed; nil takes one out.
func (s *Server) SignAssertion(change map[string]any, claims []byte) (string, error) {
	if !s.options.Dev {
		return "", errNotDev
	}
	signer, err := s.keys().Signer(issuer.Assertion, s.options.Now())
	if err != nil {
		return "", err
	}
	if len(change) == 0 {
		return signer.Sign(claims)
	}
	header := map[string]any{}
	if err := json.Unmarshal(signer.Header(), &header); err != nil {
		return "", err
	}
	maps.Copy(header, change)
	maps.DeleteFunc(header, func(_ string, value any) bool { return value == nil })
	text, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	return signer.SignUnder(text, claims)
}

// SignIn signs a browser in at the auth host without proof, and sends it on; signin.ErrContinue, signin.ErrAccount.
func (s *Server) SignIn(w http.ResponseWriter, r *http.Request, email, next string) error {
	if !s.options.Dev {
		return errNotDev
	}
	return s.signIn.Enter(w, r, email, next)
}

// Account returns the account with a canonical address, as requests see it.
func (s *Server) Account(email string) (directory.Account, bool) {
	return s.holder.Current().Directory.Account(email)
}
