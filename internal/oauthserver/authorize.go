package oauthserver

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

// request is what a program asks a person for. Consent carries it on, sealed.
type request struct {
	Client      string `json:"c"`
	RedirectURI string `json:"r"`
	Challenge   string `json:"p"`
	Scope       string `json:"s"`
	State       string `json:"t,omitempty"`
	Nonce       string `json:"n,omitempty"`
	Offline     bool   `json:"o,omitempty"`
}

// Bounds of what a program may want to have carried.
const (
	maxState   = 1024
	maxNonce   = 256
	maxRequest = 4 << 10
)

// isProgram reports whether an authorization request is a program's, and not one by which an application sends its
// visitors to sign in: those come back to the auth host itself, or to no address at all.
func (s *Server) isProgram(query url.Values) bool {
	return query.Has("redirect_uri") && !strings.HasPrefix(query.Get("redirect_uri"), s.URL+"/")
}

// Authorize is the authorization endpoint. It gives no code: it asks, and the answer is a form of its own.
func (s *Server) Authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !s.isProgram(query) {
		s.SignIn.ServeHTTP(w, r)
		return
	}
	// Until client and address are known to be good, nothing is sent anywhere.
	name, found := s.Directory().Client(query.Get("client_id"))
	switch {
	case len(r.RequestURI) > maxRequest || repeated(query) != "":
		s.refusePage(w, r, "The request of this program cannot be read: a parameter is given twice, or it is too long.")
		return
	case !found:
		s.refusePage(w, r, "No program with this client id is known here. If it may use an application, an administrator lists its client id among the application's programmatic clients.")
		return
	case !checkRedirectURI(query.Get("redirect_uri"), query.Get("client_id")):
		s.refusePage(w, r, "The answer would go to an address that is not on your computer. Only http://127.0.0.1, http://localhost and http://[::1] are taken, with any port and a plain path.")
		return
	}
	asked, fault := readRequest(query)
	if fault != nil {
		s.sendBack(w, r, asked, name, url.Values{"error": {fault.code}, "error_description": {fault.text}})
		return
	}
	s.ask(w, r, asked, name, query)
}

func repeated(query url.Values) string {
	for name, values := range query {
		if len(values) > 1 {
			return name
		}
	}
	return ""
}

// readRequest reads what is asked for. Where to answer is known to be good.
func readRequest(query url.Values) (request, *fault) {
	asked := request{
		Client: query.Get("client_id"), RedirectURI: query.Get("redirect_uri"), Challenge: query.Get("code_challenge"),
		State: query.Get("state"), Nonce: query.Get("nonce"), Offline: query.Get("access_type") == "offline",
	}
	switch {
	case len(asked.State) > maxState || len(asked.Nonce) > maxNonce:
		asked.State = ""
		return asked, invalid(errInvalidRequest, "state or nonce is too long")
	case query.Get("response_type") != "code":
		return asked, invalid(errUnsupportedType, "response_type must be code")
	case query.Get("response_mode") != "" && query.Get("response_mode") != "query":
		return asked, invalid(errInvalidRequest, "response_mode must be query")
	case query.Get("code_challenge_method") != "S256" || !isChallenge(asked.Challenge):
		return asked, invalid(errInvalidRequest, "PKCE is needed: code_challenge_method=S256 and a code_challenge")
	case query.Has("access_type") && query.Get("access_type") != "offline" && query.Get("access_type") != "online":
		return asked, invalid(errInvalidRequest, "access_type is offline or online")
	}
	var fault *fault
	asked.Scope, fault = grantedScope(query.Get("scope"))
	return asked, fault
}

// grantedScope returns what is given of the scopes that are asked for: who the person is, and nothing else. Google's
// programs ask for more out of habit.
func grantedScope(asked string) (string, *fault) {
	given := []string{}
	for scope := range strings.FieldsSeq(asked) {
		switch scope {
		case "https://www.googleapis.com/auth/userinfo.email":
			scope = "email"
		case "openid", "email":
		default:
			continue
		}
		if !slices.Contains(given, scope) {
			given = append(given, scope)
		}
	}
	if asked != "" && len(given) == 0 {
		return "", invalid(errInvalidScope, "the scopes here are openid and email")
	}
	return "openid email", nil // an ID token without the address is of no use to any application here
}

// ask makes sure who the person is, and asks for consent.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, asked request, name string, query url.Values) {
	prompts := strings.Fields(query.Get("prompt"))
	for _, prompt := range prompts {
		if !slices.Contains([]string{"none", "login", "consent", "select_account"}, prompt) || prompt == "none" && len(prompts) > 1 {
			s.sendBack(w, r, asked, name, url.Values{"error": {errInvalidRequest}, "error_description": {"prompt is none, or some of login, consent and select_account"}})
			return
		}
	}
	present, signedIn, err := s.SignIn.Present(r)
	if err != nil {
		s.SignIn.Unavailable(w, r, err)
		return
	}
	login, choose := slices.Contains(prompts, "login"), slices.Contains(prompts, "select_account")
	hint := query.Get("login_hint")
	if signedIn && hint != "" && !strings.EqualFold(hint, present.Identity.Email) {
		choose = true
	}
	switch {
	case slices.Contains(prompts, "none") && !signedIn:
		s.sendBack(w, r, asked, name, url.Values{"error": {errLoginRequired}})
	case slices.Contains(prompts, "none"):
		s.sendBack(w, r, asked, name, url.Values{"error": {errConsentRequired}, "error_description": {"a person is asked each time"}})
	case !signedIn || login || choose || present.Ask(s.Now()):
		s.SignIn.SignInHere(w, r, afterSignIn(query), name, hint, choose, login)
	default:
		s.showConsent(w, r, asked, name, present)
	}
}

// afterSignIn is the same request, without what sign-in has done by then.
func afterSignIn(query url.Values) string {
	rest := url.Values{}
	for name, values := range query {
		if name != "prompt" && name != "login_hint" {
			rest[name] = values
		}
	}
	return PathAuthorize + "?" + rest.Encode()
}

// refusePage tells the person, and nobody else.
func (s *Server) refusePage(w http.ResponseWriter, r *http.Request, text string) {
	s.Log.InfoContext(r.Context(), "a program's request was refused", "client", shortened(r.URL.Query().Get("client_id")), "cause", text, "peer", s.ClientAddr(r))
	s.Pages.Error(w, r, pages.Error{Status: http.StatusBadRequest, Title: "This program cannot be signed in", Text: text})
}

// sendBack answers the program, at the address that was checked.
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, asked request, name string, parameters url.Values) {
	if asked.State != "" {
		parameters.Set("state", asked.State)
	}
	parameters.Set("iss", s.URL) // RFC 9207
	address := back(asked.RedirectURI, parameters)
	pages.Headers(w.Header())
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Location", address)
		w.WriteHeader(http.StatusFound)
	case r.Header.Get("Sec-Fetch-Mode") == "navigate":
		// A redirect would be held against the form's page's form-action: see pages.Continue.
		s.Pages.Continue(w, r, pages.Continue{App: name, URL: address})
	default:
		w.Header().Set("Location", address)
		w.WriteHeader(http.StatusSeeOther)
	}
}
