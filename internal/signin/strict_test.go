package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestParametersOfTheRedirectAreTakenAsTheyWereWrittenOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.step()
	begun, err := url.Parse(b.get(appURL + "/x").Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if p := b.get(begun.String()); p.StatusCode != http.StatusOK || p.field("state") == "" {
		t.Fatalf("as it was written: %s", p.Status)
	}
	query := begun.RawQuery
	state := "&state=" + begun.Query().Get("state")
	for name, changed := range map[string]string{
		"the state twice":                           query + state,
		"the state twice, differently":              query + "&state=x",
		"the state in another case":                 strings.Replace(query, "&state=", "&State=", 1),
		"the state's name encoded, and once more":   query + strings.Replace(state, "state", "s%74ate", 1),
		"a state in another case besides":           query + "&STATE=x",
		"an oversized state":                        strings.Replace(query, state, "&state="+strings.Repeat("A", 9000), 1),
		"a state that is encoded twice":             strings.Replace(query, state, "&state="+url.QueryEscape("%41"+begun.Query().Get("state")[1:]), 1),
		"a state with a space":                      strings.Replace(query, state, "&state=%20"+begun.Query().Get("state"), 1),
		"a state in standard base64":                strings.Replace(query, state, "&state="+begun.Query().Get("state")+"%3D%3D", 1),
		"a broken escape":                           query + "&x=%zz",
		"a semicolon between parameters":            query + ";x=1",
		"an unknown prompt":                         query + "&prompt=none",
		"a prompt in another case":                  query + "&prompt=LOGIN",
		"two prompts":                               query + "&prompt=login&prompt=login",
		"another client":                            strings.Replace(query, "client_id=1-app", "client_id=2-app", 1),
		"two clients":                               query + "&client_id=" + app.ClientID,
		"another redirect URI":                      query[:strings.Index(query, "&redirect_uri=")] + "&redirect_uri=https%3A%2F%2Fevil.test%2F" + state,
		"two redirect URIs":                         query + "&redirect_uri=https%3A%2F%2Fevil.test%2F",
		"a redirect URI that starts with the right": strings.Replace(query, "handleRedirect", "handleRedirect%2Fevil.test", 1),
		"another response type":                     strings.Replace(query, "response_type=code", "response_type=token", 1),
	} {
		b.get(authURL+"/o/oauth2/v2/auth?"+changed).wantRefused(t, name)
	}
}

func TestFieldsOfAFormAreGivenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	state := b.get(appURL + "/x").field("state")
	right := url.Values{"state": {state}, "email": {"alice@example.com"}, "password": {"secret of alice@example.com"}, "account": {"alice@example.com"}}
	for _, path := range []string{"/signin", "/signin/account", "/signin/address"} {
		for name, change := range map[string]func(url.Values){
			"two addresses":              func(v url.Values) { v.Add("email", "bob@example.com") },
			"the same address twice":     func(v url.Values) { v.Add("email", "alice@example.com") },
			"two passwords":              func(v url.Values) { v.Add("password", "x") },
			"two accounts":               func(v url.Values) { v.Add("account", "bob@example.com") },
			"two states":                 func(v url.Values) { v.Add("state", state) },
			"a state in another case":    func(v url.Values) { v.Set("STATE", "x") },
			"an address in another case": func(v url.Values) { v.Set("Email", "bob@example.com") },
			"two prompts":                func(v url.Values) { v["prompt"] = []string{"login", "login"} },
			"a form that is too large":   func(v url.Values) { v.Set("x", strings.Repeat("x", 40<<10)) },
		} {
			form := url.Values{}
			for field, values := range right {
				form[field] = append([]string{}, values...)
			}
			change(form)
			r := request(t, http.MethodPost, authURL+path, form.Encode())
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			b.do(r).wantRefused(t, path+" with "+name)
		}
	}
}
