package signin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// Whatever comes to the addresses of a provider, nobody is in, and nothing panics.
func FuzzAnswer(f *testing.F) {
	w := newFederation(f)
	b := newBrowser(f, w.world)
	release := b.step()
	left := b.get(b.get(appURL + "/").Header.Get("Location")).Header.Get("Location")
	release()
	at, err := url.Parse(left)
	if err != nil {
		f.Fatal(err)
	}
	state := at.Query().Get("state")
	for _, seed := range []string{
		"", "state=" + state, "state=" + state + "&code=x", "state=" + state + "&error=access_denied&error_description=%0d%0aX:y", "code=x&code=y",
		"state=%ff", "state=" + state + "&iss=https://evil.test&code=x", ";;&&==", "state=" + state[:20],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, authURL+"/v1/oauth/clientIds/0oa-corp:handleRedirect", nil)
		r.URL.RawQuery = query
		recorder := httptest.NewRecorder()
		w.ServeHTTP(recorder, r)
		if anew := strings.HasPrefix(recorder.Header().Get("Location"), appURL+"/?gcp-iap-mode=AUTHENTICATING&gatehouse_restart="); recorder.Code < 400 && !anew {
			t.Errorf("%q: %d to %q", query, recorder.Code, recorder.Header().Get("Location"))
		}
		for _, c := range recorder.Result().Cookies() {
			if c.MaxAge >= 0 {
				t.Errorf("%q sets %s", query, c.Name)
			}
		}
	})
}

func FuzzLogoutToken(f *testing.F) {
	w := newFederation(f)
	good := w.corp.LogoutToken("alice-at-corp", "", nil)
	for _, seed := range []string{"", ".", "..", good[1:], strings.ToUpper(good), good + ".", "{}", oidctest.Encode(map[string]any{"alg": "none"}) + ".e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if token == good {
			return
		}
		r := httptest.NewRequest(http.MethodPost, authURL+"/v1/oauth/clientIds/0oa-corp:backchannelLogout",
			strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		recorder := httptest.NewRecorder()
		w.ServeHTTP(recorder, r)
		if recorder.Code != http.StatusBadRequest {
			t.Errorf("%q: %d", token, recorder.Code)
		}
	})
}
