package signin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// checkParameters refuses parameters of ours that are given twice, or spelled in another way: programs on the way may
// have read another value than we would.
func checkParameters(values url.Values, names ...string) error {
	for name, given := range values {
		at := slices.IndexFunc(names, func(ours string) bool { return strings.EqualFold(ours, name) })
		switch {
		case at < 0:
		case names[at] != name:
			return fmt.Errorf("the parameter %q is spelled %q", name, names[at])
		case len(given) > 1:
			return fmt.Errorf("the parameter %s is given %d times", name, len(given))
		}
	}
	return nil
}

// authorizeQuery reads the query of an application's redirect to the auth host. What else the application wrote there
// is held against the attempt when that has been opened; see checkClaims.
func authorizeQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("read the query: %w", err)
	}
	err = checkParameters(query, "state", "prompt", "client_id", "redirect_uri", "response_type", "scope", "code_challenge",
		"code_challenge_method", "cred_ref", "hd", "login_hint")
	if prompt := query.Get("prompt"); err == nil && prompt != "" && prompt != promptChoose && prompt != promptLogin {
		err = fmt.Errorf("the prompt %.40q is none of ours", prompt)
	}
	return query, err
}

// checkClaims refuses a redirect whose visible parameters were changed on the way. They decide nothing, but what reads
// them (a person, a log, a proxy in front) must not be told something else than the sealed state says.
func (s *SignIn) checkClaims(query url.Values, a attempt) error {
	for name, want := range map[string]string{
		"client_id": a.ClientID, "response_type": "code", "redirect_uri": RedirectURI(s.External, s.AuthHost, a.ClientID),
	} {
		if query.Has(name) && query.Get(name) != want {
			return fmt.Errorf("the parameter %s is not the one that the application's redirect has", name)
		}
	}
	return nil
}
