package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSecretsGoOverHTTPSOrStayOnThisMachine(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"https://auth.example.com": "https://auth.example.com", "auth.example.com": "https://auth.example.com", "https://AUTH.example.com/": "https://auth.example.com",
		"http://auth.localhost:8080": "http://auth.localhost:8080", "http://127.0.0.1:8080": "http://127.0.0.1:8080", "http://[::1]:80": "http://[::1]:80",
		"http://localhost": "http://localhost",

		"http://auth.example.com": "", "http://localhost.evil.example": "", "http://127.0.0.1.evil.example": "", "http://10.0.0.1": "",
		"https://user@auth.example.com": "", "https://auth.example.com/path": "", "https://auth.example.com?x": "", "ftp://auth.example.com": "", "https://": "", "": "",
	} {
		got, err := AuthHost(written)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
}

func TestCredentialsAreKeptForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	store := Store{filepath.Join(t.TempDir(), "gatehouse", "credentials.json")}
	if known, err := store.Load(); err != nil || len(known.Credentials) != 0 {
		t.Fatalf("%+v, %v", known, err)
	}
	if err := store.Update(func(k *Known) error {
		k.Put(Credential{Account: "a@b.c", AuthHost: "https://x", RefreshToken: "r"})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{store.Path: 0o600, filepath.Dir(store.Path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s is %v, %v", path, info.Mode(), err)
		}
	}
	no := errors.New("no")
	if err := store.Update(func(k *Known) error { k.Credentials = nil; return no }); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	if known, err := store.Load(); err != nil || len(known.Credentials) != 1 || known.Active != "a@b.c" {
		t.Errorf("a change that failed: %+v, %v", known, err)
	}
	if err := os.Chmod(store.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
	link := Store{filepath.Join(t.TempDir(), "link.json")}
	if err := os.Symlink(store.Path, link.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Load(); err == nil {
		t.Error("a symbolic link is followed")
	}
}

func TestCommandsThatRunAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	store := Store{filepath.Join(t.TempDir(), "credentials.json")}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if err := store.Update(func(k *Known) error {
				k.Put(Credential{Account: fmt.Sprintf("a%d@b.c", i), AuthHost: "https://x"})
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if known, err := store.Load(); err != nil || len(known.Credentials) != 20 {
		t.Errorf("%d credentials, %v", len(known.Credentials), err)
	}
}

func TestWhichCredentialIsMeant(t *testing.T) {
	t.Parallel()
	var k Known
	k.Put(Credential{Account: "a@b.c", AuthHost: "https://x"})
	k.Put(Credential{Account: "d@e.f", AuthHost: "https://x"})
	k.Put(Credential{Account: "a@b.c", AuthHost: "https://y"})
	for _, c := range []struct{ account, host, want string }{
		{"", "", "a@b.c https://y"}, {"d@e.f", "", "d@e.f https://x"}, {"a@b.c", "https://x", "a@b.c https://x"}, {"a@b.c", "", "a@b.c https://y"},
		{"", "https://y", "a@b.c https://y"}, {"nobody@b.c", "", ""}, {"d@e.f", "https://y", ""}, {"", "https://x", ""},
	} {
		got, err := k.Find(c.account, c.host)
		if text := strings.TrimSpace(got.Account + " " + got.AuthHost); text != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q at %q: %q, %v", c.account, c.host, text, err)
		}
	}
	k.Remove(Credential{Account: "a@b.c", AuthHost: "https://y"})
	if _, err := k.Find("", ""); !errors.Is(err, ErrNone) {
		t.Errorf("after the active one is gone: %v", err)
	}
}

// authHost plays an auth host; give is what its token endpoint answers.
func authHost(t *testing.T, give func(form url.Values) (int, any)) (string, *Client) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		status, answer := give(r.PostForm)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL, &Client{}
}

const idToken = "e30.eyJlbWFpbCI6ImFAYi5jIn0.x" // {"email":"a@b.c"}

func TestTheBrowsersAnswerIsTakenOnceAndOnlyFromWhomItWasAsked(t *testing.T) {
	t.Parallel()
	host, client := authHost(t, func(form url.Values) (int, any) {
		if form.Get("code") != "good" || form.Get("code_verifier") == "" || form.Get("client_id") != ClientID {
			return 400, map[string]string{"error": "invalid_grant"}
		}
		return 200, map[string]string{"access_token": "a", "id_token": idToken, "refresh_token": "r"}
	})
	get := func(address string) int {
		t.Helper()
		response, err := http.Get(address)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode
	}
	credential, err := client.Login(t.Context(), host, "a@b.c", func(address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		q := u.Query()
		if q.Get("code_challenge_method") != "S256" || q.Get("login_hint") != "a@b.c" || q.Get("access_type") != "offline" {
			t.Errorf("it asks %v", q)
		}
		back := q.Get("redirect_uri")
		for name, bad := range map[string]string{
			"no state": back + "?code=evil&iss=" + host, "another state": back + "?code=evil&state=x&iss=" + host,
			"another path": back + "other?code=evil&state=" + q.Get("state"), "an empty state": back + "?state=&code=evil",
		} {
			if status := get(bad); status != http.StatusNotFound {
				t.Errorf("%s: %d", name, status)
			}
		}
		if status := get(back + "?" + url.Values{"code": {"good"}, "state": {q.Get("state")}, "iss": {host}}.Encode()); status != http.StatusOK {
			t.Errorf("the answer: %d", status)
		}
		return nil
	})
	if err != nil || credential.Account != "a@b.c" || credential.RefreshToken != "r" || credential.AuthHost != host {
		t.Errorf("%+v, %v", credential, err)
	}
}

func TestAnswersThatSignNobodyIn(t *testing.T) {
	t.Parallel()
	host, client := authHost(t, func(url.Values) (int, any) {
		return 400, map[string]string{"error": "invalid_grant", "error_description": "no\x1b[2J"}
	})
	for name, c := range map[string]struct {
		answer url.Values
		says   string
	}{
		"of another auth host": {url.Values{"code": {"x"}, "iss": {"https://evil.example"}}, "https://evil.example"},
		"of nobody":            {url.Values{"code": {"x"}}, "not from"},
		"declined":             {url.Values{"error": {"access_denied"}, "iss": {host}}, "did not allow"},
		"an error":             {url.Values{"error": {"server_error"}, "error_description": {"x\x1b[2J"}, "iss": {host}}, "x?[2J (server_error)"},
		"without a code":       {url.Values{"iss": {host}}, "no code"},
		"a code that is bad":   {url.Values{"code": {"x"}, "iss": {host}}, "no?[2J (invalid_grant)"},
	} {
		_, err := client.Login(t.Context(), host, "", func(address string) error {
			u, err := url.Parse(address)
			if err != nil {
				return err
			}
			c.answer.Set("state", u.Query().Get("state"))
			response, err := http.Get(u.Query().Get("redirect_uri") + "?" + c.answer.Encode())
			if err != nil {
				return err
			}
			return response.Body.Close()
		})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("nobody came"))
	defer cancel()
	if _, err := client.Login(ctx, host, "", func(string) error { return nil }); err == nil || !strings.Contains(err.Error(), "nobody came") {
		t.Errorf("nobody answers: %v", err)
	}
}

func TestAKeyFileIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	private, public, err := NewPair()
	if err != nil || !strings.HasPrefix(public, "-----BEGIN PUBLIC KEY-----") {
		t.Fatalf("%s, %v", public, err)
	}
	path := filepath.Join(t.TempDir(), "key.json")
	file := NewKeyFile(private, "kid", "robot@p.iam.gserviceaccount.com", "1", "p", "https://auth.example.com", "https://auth.example.com/token")
	if err := file.Write(path); err != nil {
		t.Fatal(err)
	}
	if err := file.Write(path); err == nil {
		t.Error("it was overwritten")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	got, err := ReadKeyFile(path)
	if err != nil || got != file {
		t.Errorf("%+v, %v", got, err)
	}
	if assertion, err := got.assertion("app", time.Now()); err != nil || strings.Count(assertion, ".") != 2 {
		t.Errorf("%q, %v", assertion, err)
	}
	for name, change := range map[string]func(*KeyFile){
		"of a person":                  func(k *KeyFile) { k.Type = "authorized_user" },
		"without a key":                func(k *KeyFile) { k.PrivateKey = "" },
		"without a key id":             func(k *KeyFile) { k.PrivateKeyID = "" },
		"with a token_uri in clear":    func(k *KeyFile) { k.TokenURI = "http://auth.example.com/token" },
		"with a foreign token_uri":     func(k *KeyFile) { k.TokenURI = "https://oauth2.googleapis.com/elsewhere" },
		"with an address that is none": func(k *KeyFile) { k.ClientEmail = "robot" },
	} {
		bad := file
		change(&bad)
		path := filepath.Join(t.TempDir(), "bad.json")
		if err := bad.Write(path); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeyFile(path); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}

func TestWhatAnswersWithOtherThanTokensIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]any{
		"a token that moves the cursor": map[string]string{"id_token": "a\x1b[2J"}, "nothing": map[string]string{}, "a list": []string{"x"},
	} {
		host, client := authHost(t, func(url.Values) (int, any) { return 200, answer })
		if token, err := client.IDToken(t.Context(), Credential{Account: "a@b.c", AuthHost: host, RefreshToken: "r"}, "app"); err == nil {
			t.Errorf("%s: %q", name, token)
		}
	}
}
