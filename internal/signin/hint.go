package signin

import (
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// expected reads the hint of the application's settings: the domain of the people it expects, and an address where it
// names one. What is neither is no hint. It never lets anybody in or out.
func (a attempt) expected() (domain, address string) {
	if address, err := principal.ParseAddress(a.Hint); err == nil {
		return principal.Domain(address), address
	}
	if domain, err := principal.ParseDomain(a.Hint); err == nil {
		return domain, ""
	}
	return "", ""
}

// startExpected begins a sign-in at the provider of the people whom the application expects; without a hint, or
// without a provider for it, as any other.
func (s *SignIn) startExpected(w http.ResponseWriter, r *http.Request, a attempt) {
	domain, address := a.expected()
	if p, found := s.providers().Authority(domain); domain != "" && found && !p.Disabled {
		s.startAt(w, r, a, p, address, "")
		return
	}
	s.start(w, r, a, address, "")
}

// expectedAt is the domain to tell a provider of; empty where it is none of the provider's, or where the person has
// given an address of another.
func (s *SignIn) expectedAt(a attempt, p identityprovider.Provider, address string) string {
	domain, _ := a.expected()
	if domain == "" || !s.providers().Authoritative(p.Name, domain) || address != "" && principal.Domain(address) != domain {
		return ""
	}
	return domain
}
