package metadataserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	flavor = Flavor + ": Google"
	v1     = "/computeMetadata/v1"
	robot  = "123456789012-compute@developer.gserviceaccount.com"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// mint says in the token what it was asked for.
type mint struct{ err error }

func (m mint) IdentityToken(_ context.Context, r IdentityRequest) (string, error) {
	text := r.Email + " " + r.Audience
	if r.Machine {
		text += " full"
	}
	return text, m.err
}

func (m mint) AccessToken(_ context.Context, email string) (string, time.Time, error) {
	return "access " + email, now.Add(time.Hour - time.Second), m.err
}

func machine() *Server {
	return New(Options{
		ProjectID: "my-project", ProjectNumber: 123456789012, Zone: "europe-west1-b", Instance: "vm",
		Account: &ServiceAccount{robot, []string{"https://www.googleapis.com/auth/cloud-platform", "openid"}}, Minter: mint{},
		Hosts: []string{"metadata.localhost"}, Now: func() time.Time { return now },
	})
}

func ask(h http.Handler, method, target, host string, lines ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	const path = v1 + "/project/project-id"
	for name, c := range map[string]struct {
		method, target, host string
		lines                []string
		status               int
		body                 string
	}{
		"detection":                             {"GET", "/", Host, nil, 200, "computeMetadata/\n"},
		"detection with the header":             {"GET", "/", Host, []string{flavor}, 200, "computeMetadata/\n"},
		"detection by address":                  {"GET", "/", "169.254.169.254", nil, 200, "computeMetadata/\n"},
		"detection by address and port":         {"GET", "/", "[::1]:8080", nil, 200, "computeMetadata/\n"},
		"the short name":                        {"GET", path, "metadata", []string{flavor}, 200, "my-project"},
		"a name in capitals with a dot":         {"GET", path, "METADATA.google.internal.:80", []string{flavor}, 200, "my-project"},
		"a name of ours":                        {"GET", path, "metadata.localhost:8080", []string{flavor}, 200, "my-project"},
		"headers only":                          {"HEAD", path, Host, []string{flavor}, 200, ""},
		"without the header":                    {"GET", path, Host, nil, 403, ""},
		"the header with another value":         {"GET", path, Host, []string{"Metadata-Flavor: Other"}, 403, ""},
		"the header twice":                      {"GET", path, Host, []string{flavor, flavor}, 403, ""},
		"through a proxy":                       {"GET", path, Host, []string{flavor, "X-Forwarded-For: 192.0.2.1"}, 403, ""},
		"through a proxy that names nobody":     {"GET", path, Host, []string{flavor, "X-Forwarded-For: "}, 403, ""},
		"detection through a proxy":             {"GET", "/", Host, []string{"X-Forwarded-For: 192.0.2.1"}, 403, ""},
		"an unknown path without the header":    {"GET", "/x", Host, nil, 403, ""},
		"an unknown path":                       {"GET", "/x", Host, []string{flavor}, 404, ""},
		"POST":                                  {"POST", path, Host, []string{flavor}, 405, ""},
		"a name that leads here by somebody":    {"GET", path, "evil.example", []string{flavor}, 421, ""},
		"a name that ends like ours":            {"GET", path, "evil-metadata.google.internal", []string{flavor}, 421, ""},
		"no name":                               {"GET", path, "", []string{flavor}, 421, ""},
		"a request that a forward proxy passes": {"GET", "http://metadata.google.internal" + path, Host, []string{flavor}, 400, ""},
	} {
		w := ask(machine(), c.method, c.target, c.host, c.lines...)
		h := w.Header()
		if w.Code != c.status || c.status == 200 && w.Body.String() != c.body {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
		if h.Get("Metadata-Flavor") != "Google" || h.Get("Server") != "Metadata Server for VM" {
			t.Errorf("%s: headers %v", name, h)
		}
		if c.status == 200 && (h.Get("Content-Type") != "application/text" || len(h.Get("ETag")) != 16) {
			t.Errorf("%s: headers %v", name, h)
		}
		if c.status >= 400 && (!strings.HasPrefix(w.Body.String(), "<!DOCTYPE html>") || h.Get("Content-Type") != htmlType) {
			t.Errorf("%s is refused in another form than Google's: %v %q", name, h, w.Body)
		}
	}
}

func TestEveryValue(t *testing.T) {
	t.Parallel()
	s := machine()
	if err := s.SetAttributes(Attributes{Project: map[string]string{"ssh-keys": "a b\nc d"}, Instance: map[string]string{"x": "<1>"}}); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"/computeMetadata/":                                               "200 v1/\n",
		v1 + "/":                                                          "200 instance/\nproject/\n",
		v1 + "/project/":                                                  "200 attributes/\nnumeric-project-id\nproject-id\n",
		v1 + "/project/project-id":                                        "200 my-project",
		v1 + "/project/numeric-project-id":                                "200 123456789012",
		v1 + "/project/attributes/":                                       "200 ssh-keys\n",
		v1 + "/project/attributes/ssh-keys":                               "200 a b\nc d",
		v1 + "/instance/":                                                 "200 attributes/\ncpu-platform\nhostname\nid\nmachine-type\nname\nnetwork-interfaces/\nregion\nservice-accounts/\ntags\nzone\n",
		v1 + "/instance/zone":                                             "200 projects/123456789012/zones/europe-west1-b",
		v1 + "/instance/region":                                           "200 projects/123456789012/regions/europe-west1",
		v1 + "/instance/name":                                             "200 vm",
		v1 + "/instance/hostname":                                         "200 vm.europe-west1-b.c.my-project.internal",
		v1 + "/instance/tags":                                             "200 []",
		v1 + "/instance/network-interfaces/0/ip":                          "200 127.0.0.1",
		v1 + "/instance/service-accounts/":                                "200 " + robot + "/\ndefault/\n",
		v1 + "/instance/service-accounts/default/":                        "200 aliases\nemail\nidentity\nscopes\ntoken\n",
		v1 + "/instance/service-accounts/default/email":                   "200 " + robot,
		v1 + "/instance/service-accounts/" + robot + "/email":             "200 " + robot,
		v1 + "/instance/service-accounts/default/aliases":                 "200 default\n",
		v1 + "/instance/service-accounts/default/scopes":                  "200 https://www.googleapis.com/auth/cloud-platform\nopenid\n",
		v1 + "/instance/service-accounts/default/scopes?alt=json":         `200 ["https://www.googleapis.com/auth/cloud-platform","openid"]`,
		v1 + "/instance/service-accounts/default/token":                   `200 {"access_token":"access ` + robot + `","expires_in":3599,"token_type":"Bearer"}`,
		v1 + "/instance/service-accounts/default/identity?audience=a%2Fb": "200 " + robot + " a/b",
		v1 + "/instance/service-accounts/" + robot + "/identity?audience=a&format=full&licenses=TRUE": "200 " + robot + " a full",
		v1 + "/instance/service-accounts/default/identity?audience=a&format=standard":                 "200 " + robot + " a",
		v1 + "/instance/service-accounts/default/identity":                                            "400 ",
		v1 + "/instance/service-accounts/default/identity?audience=":                                  "400 ",
		v1 + "/instance/service-accounts/default/identity?audience=a&audience=b":                      "400 ",
		v1 + "/instance/service-accounts/default/identity?audience=a&format=other":                    "400 ",
		v1 + "/instance/service-accounts/default/identity?audience=" + strings.Repeat("a", 3000):      "400 ",
		v1 + "/instance/service-accounts/other@example.com/email":                                     "404 ",
		v1 + "/instance/zone?alt=json":                                                                "200 \"projects/123456789012/zones/europe-west1-b\"",
		v1 + "/instance/attributes/x?alt=json":                                                        `200 "<1>"`,
		v1 + "/project/numeric-project-id?alt=json":                                                   "200 123456789012",
		v1 + "/project/?alt=json":                                                                     `200 ["attributes/","numeric-project-id","project-id"]`,
		v1 + "/project/?recursive=true":                                                               `200 {"attributes":{"ssh-keys":"a b\nc d"},"numericProjectId":123456789012,"projectId":"my-project"}`,
		v1 + "/project/?recursive=TRUE&alt=text":                                                      "200 attributes/ssh-keys a b\nattributes/ssh-keys c d\nnumeric-project-id 123456789012\nproject-id my-project\n",
		v1 + "/project/project-id?recursive=true":                                                     "200 my-project",
		v1 + "/project/?recursive=false":                                                              "200 attributes/\nnumeric-project-id\nproject-id\n",
		v1 + "/project/?recursive=perhaps":                                                            "400 ",
		v1 + "/project/?alt=xml":                                                                      "400 ",
		v1 + "/project/?alt=json&alt=text":                                                            "400 ",
		v1 + "/project/?timeout_sec=-1":                                                               "400 ",
		v1 + "/project/?%zz":                                                                          "400 ",
		v1 + "/project/?other=x&other=y":                                                              "200 attributes/\nnumeric-project-id\nproject-id\n",
		v1 + "/instance/network-interfaces/?recursive=true":                                           `200 [{"ip":"127.0.0.1"}]`,
		v1 + "/project": "301 " + v1 + "/project/",
		v1 + "/instance/service-accounts/default?recursive=true": "301 " + v1 + "/instance/service-accounts/default/?recursive=true",
		v1:                             "301 " + v1 + "/",
		"/computeMetadata":             "301 /computeMetadata/",
		v1 + "/project/project-id/":    "404 ",
		v1 + "//":                      "404 ",
		v1 + "/project//":              "404 ",
		v1 + "//project/project-id":    "404 ",
		v1 + "/project/../project/":    "404 ",
		v1 + "/project/attributes/no":  "404 ",
		v1 + "/project/project%2Did":   "200 my-project",
		"/computeMetadata/v2/project/": "404 ",
	} {
		w := ask(s, "GET", target, Host, flavor)
		body := w.Body.String()
		if w.Code >= 400 {
			body = ""
		}
		if w.Code == 301 {
			body = w.Header().Get("Location")
		}
		if got := http.StatusText(w.Code); got == "" || want[:3] != itoa(w.Code) || body != want[4:] {
			t.Errorf("%s\n got %d %q\nwant %q", target, w.Code, body, want)
		}
	}
}

func itoa(n int) string {
	return string(rune('0'+n/100)) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}

func TestAllAtOnceHoldsNoToken(t *testing.T) {
	t.Parallel()
	w := ask(machine(), "GET", v1+"/instance/service-accounts/?recursive=true", Host, flavor)
	var got map[string]map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"aliases": []any{"default"}, "email": robot, "scopes": []any{"https://www.googleapis.com/auth/cloud-platform", "openid"},
	}
	if !reflect.DeepEqual(got["default"], want) || !reflect.DeepEqual(got[robot], want) || len(got) != 2 {
		t.Errorf("%v", got)
	}
	if w := ask(machine(), "GET", "/computeMetadata/v1/?recursive=true&alt=text", Host, flavor); strings.Contains(w.Body.String(), "access ") || w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAServerWithoutAnAccountHasNoTokens(t *testing.T) {
	t.Parallel()
	s := New(Options{ProjectID: "p-project", ProjectNumber: 1, Zone: "z-a"})
	for target, status := range map[string]int{
		v1 + "/instance/": 200, v1 + "/instance/service-accounts/": 200, v1 + "/instance/service-accounts/default/": 404,
		v1 + "/instance/service-accounts/default/token": 404, v1 + "/instance/service-accounts/default/identity?audience=a": 404,
	} {
		if w := ask(s, "GET", target, Host, flavor); w.Code != status {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestATokenThatCannotBeMadeSaysNothingOfWhy(t *testing.T) {
	t.Parallel()
	for err, status := range map[error]int{ErrNoAccount: 404, errors.New("secret detail"): 503} {
		o := machine().options
		o.Minter = mint{err}
		for _, name := range []string{"token", "identity?audience=a"} {
			w := ask(New(o), "GET", v1+"/instance/service-accounts/default/"+name, Host, flavor)
			if w.Code != status || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%s with %v: %d %s", name, err, w.Code, w.Body)
			}
		}
	}
}

func TestAWaitEndsWithTheChange(t *testing.T) {
	t.Parallel()
	s := machine()
	const path = v1 + "/instance/attributes/?recursive=true&wait_for_change=true"
	before := ask(s, "GET", strings.TrimSuffix(path, "&wait_for_change=true"), Host, flavor)
	etag := before.Header().Get("ETag")
	if w := ask(s, "GET", path+"&last_etag=0", Host, flavor); w.Body.String() != "{}" || w.Header().Get("ETag") != etag {
		t.Errorf("who knows another value waits: %v %q", w.Header(), w.Body)
	}
	for _, known := range []string{"", "&last_etag=" + etag} {
		answered := make(chan string, 1)
		go func() { answered <- ask(s, "GET", path+known, Host, flavor).Body.String() }()
		for s.waiting.Load() == 0 { // until it waits
			runtime.Gosched()
		}
		value := "v" + known
		if err := s.SetAttributes(Attributes{Project: map[string]string{"a": value}}); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-answered:
			t.Fatalf("a change elsewhere ended the wait: %q", text)
		default:
		}
		if err := s.SetAttributes(Attributes{Instance: map[string]string{"a": value}}); err != nil {
			t.Fatal(err)
		}
		if got, want := <-answered, `{"a":"`+value+`"}`; got != want {
			t.Errorf("answered %q, want %q", got, want)
		}
		if err := s.SetAttributes(Attributes{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAWaitEndsWithTimeTheServerAndTheClient(t *testing.T) {
	t.Parallel()
	s := machine()
	const path = v1 + "/instance/name?wait_for_change=true"
	if w := ask(s, "GET", path+"&timeout_sec=1", Host, flavor); w.Body.String() != "vm" {
		t.Errorf("after the time: %q", w.Body)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequest("GET", path, nil).WithContext(gone)
	r.Host = Host
	r.Header.Set(Flavor, "Google")
	s.ServeHTTP(httptest.NewRecorder(), r)
	s.Close()
	s.Close()
	if w := ask(s, "GET", path, Host, flavor); w.Body.String() != "vm" {
		t.Errorf("after the end: %q", w.Body)
	}
	if n := s.waiting.Load(); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

func TestNotEverybodyMayWait(t *testing.T) {
	t.Parallel()
	s := machine()
	s.waiting.Store(maxWaiting)
	if w := ask(s, "GET", v1+"/instance/name?wait_for_change=true", Host, flavor); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if n := s.waiting.Load(); n != maxWaiting {
		t.Errorf("%d wait", n)
	}
}

func TestAttributesThatCannotBeAPathAreRefused(t *testing.T) {
	t.Parallel()
	s := machine()
	for _, key := range []string{"", "a/b", "..", "a b", "ä", strings.Repeat("a", 200)} {
		if err := s.SetAttributes(Attributes{Project: map[string]string{key: "v"}}); !errors.Is(err, ErrAttribute) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if err := s.SetAttributes(Attributes{Instance: map[string]string{"a": strings.Repeat("v", maxValue+1)}}); !errors.Is(err, ErrAttribute) {
		t.Errorf("%v", err)
	}
}

func FuzzNoPathAnswersWithoutTheHeaderOrOutsideTheTree(f *testing.F) {
	for _, seed := range []string{"/", v1 + "/instance/?recursive=true", v1 + "/instance/service-accounts/default/identity?audience=x", v1 + "//project", "/%2e%2e/", v1 + "?alt=json&alt=text", "/?wait_for_change=true&timeout_sec=0"} {
		f.Add(seed)
	}
	s := machine()
	s.Close() // nobody waits
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.NewRequest("GET", "http://metadata.google.internal", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.URL, err = r.URL.Parse(target); err != nil || r.URL.Host != Host {
			return
		}
		r.RequestURI = r.URL.RequestURI()
		for _, header := range []string{"", "Google"} {
			r.Header = http.Header{}
			if header != "" {
				r.Header.Set(Flavor, header)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			switch {
			case header == "" && w.Code == 200 && r.URL.Path != "/":
				t.Errorf("%q answered without the header: %q", target, w.Body)
			case w.Code == 301 && !strings.HasPrefix(w.Header().Get("Location"), "/computeMetadata"):
				t.Errorf("%q sends to %q", target, w.Header().Get("Location"))
			case w.Code == 200 && r.URL.Path != "/" && !strings.HasPrefix(r.URL.Path, "/computeMetadata/"):
				t.Errorf("%q answered %q", target, w.Body)
			case w.Code != 200 && w.Code != 301 && w.Code != 400 && w.Code != 403 && w.Code != 404:
				t.Errorf("%q answered %d", target, w.Code)
			}
		}
	})
}
