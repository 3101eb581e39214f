package assertion_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// metadataServer answers as Google's does, and refuses what Google's refuses.
func metadataServer(t *testing.T, values map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, known := values[strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/")]
		switch {
		case r.Header.Get("Metadata-Flavor") != "Google" || r.Header.Get("X-Forwarded-For") != "":
			w.WriteHeader(http.StatusForbidden)
		case !known:
			w.Header().Set("Metadata-Flavor", "Google")
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Header().Set("Metadata-Flavor", "Google")
			_, _ = io.WriteString(w, value)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestTheAudienceIsFoundOut(t *testing.T) {
	t.Parallel()
	host := metadataServer(t, map[string]string{
		"project/numeric-project-id": "123456789012\n", "project/project-id": "dev-project",
		"instance/region": "projects/123456789012/regions/europe-west1",
	})
	for name, c := range map[string]struct {
		env  map[string]string
		want string // "" for an error
	}{
		"said so":                    {map[string]string{"IAP_AUDIENCE": "/projects/1/apps/other", "K_SERVICE": "s"}, "/projects/1/apps/other"},
		"Cloud Run":                  {map[string]string{"K_SERVICE": "app"}, "/projects/123456789012/locations/europe-west1/services/app"},
		"App Engine":                 {map[string]string{"GAE_APPLICATION": "e~dev-project"}, "/projects/123456789012/apps/dev-project"},
		"App Engine flexible":        {map[string]string{"GAE_SERVICE": "default"}, "/projects/123456789012/apps/dev-project"},
		"neither":                    {nil, ""},
		"said something else":        {map[string]string{"IAP_AUDIENCE": "app.apps.googleusercontent.com"}, ""},
		"an impossible service name": {map[string]string{"K_SERVICE": "a/b"}, ""},
	} {
		discovery := assertion.Discovery{Getenv: func(name string) string {
			if name == "GCE_METADATA_HOST" {
				return host
			}
			return c.env[name]
		}}
		got, err := discovery.Audience(context.Background())
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestMetadataThatIsNotGooglesIsRefused(t *testing.T) {
	t.Parallel()
	google := func(w http.ResponseWriter) { w.Header().Set("Metadata-Flavor", "Google") }
	answer := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/numeric-project-id") {
			_, _ = io.WriteString(w, "123")
			return
		}
		_, _ = io.WriteString(w, "dev-project")
	}
	for name, handler := range map[string]http.HandlerFunc{
		"no Metadata-Flavor": answer,
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			google(w)
			if strings.HasPrefix(r.URL.Path, "/elsewhere/") {
				answer(w, r)
				return
			}
			http.Redirect(w, r, "/elsewhere"+r.URL.Path, http.StatusFound)
		},
		"nothing": func(w http.ResponseWriter, _ *http.Request) { google(w) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			google(w)
			_, _ = io.WriteString(w, strings.Repeat("1", 2000))
		},
		"no number": func(w http.ResponseWriter, _ *http.Request) { google(w); _, _ = io.WriteString(w, "dev-project") },
		"a path":    func(w http.ResponseWriter, _ *http.Request) { google(w); _, _ = io.WriteString(w, "1/apps/x") },
	} {
		server := httptest.NewServer(handler)
		discovery := assertion.Discovery{Getenv: func(name string) string {
			return map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(server.URL, "http://"), "GAE_SERVICE": "default"}[name]
		}}
		if got, err := discovery.Audience(context.Background()); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
		server.Close()
	}
	for _, host := range []string{"evil.invalid/x", "user@evil.invalid", "evil.invalid?x", "evil.invalid#", "a b"} {
		discovery := assertion.Discovery{Getenv: func(name string) string {
			return map[string]string{"GCE_METADATA_HOST": host, "GAE_SERVICE": "default"}[name]
		}}
		if got, err := discovery.Audience(context.Background()); err == nil || !strings.Contains(err.Error(), "GCE_METADATA_HOST") {
			t.Errorf("host %q: got %q, %v", host, got, err)
		}
	}
}

func TestTheMetadataServerMayNeedASecondTry(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "123")
	}))
	defer server.Close()
	discovery := assertion.Discovery{Getenv: func(name string) string {
		return map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(server.URL, "http://"), "K_SERVICE": "app"}[name]
	}}
	// The region "123" is none, which is noticed after both questions were answered.
	if got, err := discovery.Audience(context.Background()); err == nil || requests.Load() != 3 {
		t.Errorf("got %q, %v after %d requests", got, err, requests.Load())
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := discovery.Audience(canceled); err == nil || requests.Load() != 3 {
		t.Errorf("a canceled context: %v, %d requests", err, requests.Load())
	}
}
