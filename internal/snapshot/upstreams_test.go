package snapshot_test

import (
	"bytes"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// viewed is a builder over a store, with what it logs.
type viewed struct {
	t       *testing.T
	builder *snapshot.Builder
	holder  *snapshot.Holder
	log     bytes.Buffer
	put     func(catalog.Service)
}

func newViewed(t *testing.T) *viewed {
	t.Helper()
	return newViewedOf(t, openStore(t))
}

func newViewedOf(t *testing.T, db *storage.DB) *viewed {
	t.Helper()
	v := &viewed{t: t, builder: newBuilder(db), holder: &snapshot.Holder{}}
	v.builder.Log = slog.New(slog.NewTextHandler(&v.log, nil))
	v.put = func(s catalog.Service) {
		t.Helper()
		do(t, db, func(tx admin.Tx) error { return tx.Catalog().PutService(t.Context(), s) })
		v.refresh()
	}
	v.refresh()
	return v
}

func (v *viewed) refresh() {
	v.t.Helper()
	if err := v.builder.Start(v.t.Context(), v.holder); err != nil {
		v.t.Fatal(err)
	}
}

// logged returns what was logged since it was asked last.
func (v *viewed) logged() string {
	defer v.log.Reset()
	return v.log.String()
}

func (v *viewed) upstream(id string) *upstream.Upstream {
	v.t.Helper()
	served, found := v.holder.Current().Served(serviceNamed(id).Service.Name())
	if !found {
		v.t.Fatalf("no service %s", id)
	}
	return served.Upstream
}

func overTLS(id string, settings catalog.UpstreamTLS) catalog.Service {
	s := serviceNamed(id)
	s.Upstream, s.UpstreamTLS = "https://app.internal", &settings
	return s
}

func TestVerificationThatIsOffIsNamedOnceInTheLog(t *testing.T) {
	t.Parallel()
	v := newViewed(t)
	s := overTLS("1", catalog.UpstreamTLS{InsecureSkipVerify: true})
	v.put(s)
	if log := v.logged(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "NOT verified") || !strings.Contains(log, "service=s1") {
		t.Errorf("logged %q", log)
	}
	s.IAPDisabled = true
	v.put(s)
	if log := v.logged(); log != "" {
		t.Errorf("logged again: %q", log)
	}
	v.put(overTLS("1", catalog.UpstreamTLS{}))
	v.put(s)
	if log := v.logged(); strings.Count(log, "NOT verified") != 1 {
		t.Errorf("turned on and off again: %q", log)
	}
}

func TestFilesAreReadAgainWhenTheBuilderIsTold(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ca := t.TempDir() + "/ca.pem"
	v := newViewed(t)
	v.put(serviceNamed("2"))
	v.put(overTLS("1", catalog.UpstreamTLS{CAFile: ca}))
	if log := v.logged(); v.upstream("1").Problem == nil || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, ca) || !strings.Contains(log, "service=s1") {
		t.Errorf("without the file: %v, logged %q", v.upstream("1").Problem, log)
	}
	if files := v.holder.Current().UpstreamFiles(); !slices.Equal(files, []string{ca}) {
		t.Errorf("to be watched: %q", files)
	}
	other := v.upstream("2")

	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(ca, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	v.refresh()
	if v.upstream("1").Problem == nil {
		t.Error("read without being told")
	}
	v.builder.ReloadFiles()
	v.refresh()
	working := v.upstream("1")
	if log := v.logged(); working.Problem != nil || !strings.Contains(log, "read again") {
		t.Errorf("with the file: %v, logged %q", working.Problem, log)
	}
	write([]byte("bad"))
	v.builder.ReloadFiles()
	v.refresh()
	if log := v.logged(); v.upstream("1") != working || !strings.Contains(log, "stays as it was") {
		t.Errorf("with a bad file: %v, logged %q", v.upstream("1").Problem, log)
	}
	s := overTLS("1", catalog.UpstreamTLS{CAFile: ca})
	s.IAPDisabled = true
	v.put(s)
	if v.upstream("1") != working || v.upstream("2") != other {
		t.Error("a policy write opens new pools")
	}
}

func TestAddressesKeepWhatIsKnownOfThemWhenPolicyOrTheirListChanges(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	defer app.Close()
	v := newViewed(t)
	s := serviceNamed("1")
	s.Upstream, s.Upstreams = "", []string{app.URL}
	v.put(s)
	request := httptest.NewRequest(http.MethodGet, app.URL, nil)
	request.RequestURI = ""
	response, err := v.upstream("1").Send(request, http1.Whole{Request: request}) // and is not closed: it stays under way
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	first := v.upstream("1")
	s.IAPDisabled = true
	v.put(s)
	if v.upstream("1") != first {
		t.Error("a policy write makes another upstream")
	}
	s.Upstreams = []string{"http://127.0.0.1:1", app.URL}
	v.put(s)
	found := false
	for _, service := range v.holder.Current().Upstreams() {
		for _, a := range service.Addresses {
			found = found || service.Service.Name == "s1" && a.URL == app.URL && a.InFlight == 1
		}
	}
	if !found {
		t.Errorf("of the address that stays, nothing is known: %+v", v.holder.Current().Upstreams())
	}
}

func TestTheConfigurationOfAnUpstreamHasWhatItsServiceSays(t *testing.T) {
	t.Parallel()
	if catalog.MaxUpstreams != upstream.MaxAddresses {
		t.Errorf("services may have %d addresses, and upstreams %d", catalog.MaxUpstreams, upstream.MaxAddresses)
	}
	s := serviceNamed("1")
	s.Upstream, s.Upstreams = "", []string{"http://B.internal:80", "http://a.internal"}
	s.UpstreamTimeouts = &catalog.UpstreamTimeouts{FirstByteSec: 7, IdleSec: 8}
	s.HealthCheck = &catalog.HealthCheck{CheckIntervalSec: 3, Host: "h"}
	want := upstream.Config{
		URL:      "http://a.internal:80 http://b.internal:80",
		Timeouts: upstream.Timeouts{Connect: 10 * time.Second, FirstByte: 7 * time.Second, Idle: 8 * time.Second},
		HealthCheck: upstream.HealthCheck{
			Path: "/", Host: "h", Interval: 3 * time.Second, Timeout: 3 * time.Second, Healthy: 2, Unhealthy: 2,
		},
	}
	if got := snapshot.UpstreamConfig(s); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
