package catalog_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func service(id string, hosts []string, prefixes ...string) *catalog.Service {
	return &catalog.Service{
		Service: resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 1, ID: id},
		Name:    "s" + id, Hosts: hosts, PathPrefixes: prefixes, Upstream: "http://127.0.0.1:1", OAuthClientID: "c" + id,
	}
}

func table(t *testing.T, services ...*catalog.Service) *catalog.Table {
	t.Helper()
	changes := map[resource.Name]*catalog.Service{}
	for _, s := range services {
		changes[s.Service.Name()] = s
	}
	built, err := catalog.NewTable().With(changes)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func TestRequestsAreRoutedByHostAndWholeSegments(t *testing.T) {
	t.Parallel()
	routes := table(t, service("1", []string{"a.test"}), service("2", []string{"b.test"}, "/api"), service("3", []string{"b.test"}, "/api/v2/", "/x"))
	for name, c := range map[string]struct {
		host, target string
		want         string
		err          error
	}{
		"a whole host":                              {"a.test", "/anything", "1", nil},
		"a prefix":                                  {"b.test", "/api/users", "2", nil},
		"a prefix by itself":                        {"b.test", "/api", "2", nil},
		"the longest prefix wins":                   {"b.test", "/api/v2/users", "3", nil},
		"a prefix ends at a segment":                {"b.test", "/api/v22", "2", nil},
		"a prefix that only starts alike":           {"b.test", "/apiary", "", catalog.ErrPathUnknown},
		"no prefix":                                 {"b.test", "/", "", catalog.ErrPathUnknown},
		"another host":                              {"c.test", "/", "", catalog.ErrHostUnknown},
		"dots that leave a prefix":                  {"b.test", "/api/../x", "", catalog.ErrAmbiguous},
		"dots that enter a prefix":                  {"b.test", "/y/../x", "", catalog.ErrAmbiguous},
		"escapes that enter a prefix":               {"b.test", "/%78/a", "", catalog.ErrAmbiguous},
		"double slashes that enter a prefix":        {"b.test", "//x/a", "", catalog.ErrAmbiguous},
		"parameters that leave a prefix":            {"b.test", "/x;a/b", "", catalog.ErrAmbiguous},
		"an encoded slash on a host with rules":     {"b.test", "/api/a%2Fb", "", catalog.ErrTarget},
		"an encoded slash on a host without":        {"a.test", "/api/a%2Fb", "1", nil},
		"all forms on one service":                  {"b.test", "/api/a/../b", "2", nil},
		"an encoded backslash on a host with rules": {"b.test", "/api/a%5Cb", "", catalog.ErrTarget},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, err := catalog.ParseTarget("GET", c.target)
			if err != nil {
				t.Fatal(err)
			}
			got, err := routes.Route(c.host, target)
			want := resource.Name("")
			if c.want != "" {
				want = resource.Name("projects/1/iap_web/compute/services/" + c.want)
			}
			if got != want || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestServicesThatClaimTheSamePlaceAreRefused(t *testing.T) {
	t.Parallel()
	other := service("2", []string{"a.test"}, "/y")
	other.ProjectNumber, other.ProjectID = 2, "other-project"
	for name, services := range map[string][]*catalog.Service{
		"two on one host":               {service("1", []string{"a.test"}), service("2", []string{"a.test"})},
		"two on one prefix":             {service("1", []string{"a.test"}, "/x"), service("2", []string{"a.test"}, "/x/")},
		"a host of another project":     {service("1", []string{"a.test"}, "/x"), other},
		"a host that is not canonical":  {service("1", []string{"A.test"})},
		"a host with a port":            {service("1", []string{"a.test:80"})},
		"a prefix with dots in escapes": {service("1", []string{"a.test"}, "/%2e")},
		"no host":                       {service("1", nil)},
		"an upstream with a path":       {{Service: resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 1, ID: "1"}, Name: "x", Hosts: []string{"a.test"}, OAuthClientID: "c", Upstream: "http://x/y"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes := map[resource.Name]*catalog.Service{}
			for _, s := range services {
				changes[s.Service.Name()] = s
			}
			if _, err := catalog.NewTable().With(changes); !errors.Is(err, catalog.ErrInvalid) {
				t.Errorf("accepted: %v", err)
			}
		})
	}
}

func TestOneOAuthClientIDIsOfOneService(t *testing.T) {
	t.Parallel()
	one, two := service("1", []string{"a.test"}), service("2", []string{"b.test"})
	two.OAuthClientID = one.OAuthClientID
	if _, err := table(t, one).With(map[resource.Name]*catalog.Service{two.Service.Name(): two}); !errors.Is(err, catalog.ErrInvalid) {
		t.Errorf("two services with one client id: %v", err)
	}
	moved := *one
	moved.OAuthClientID = "another"
	if _, err := table(t, one).With(map[resource.Name]*catalog.Service{one.Service.Name(): &moved, two.Service.Name(): two}); err != nil {
		t.Errorf("a client id that has become free: %v", err)
	}
	two.OAuthClientID = catalog.CommandLineClientID
	if err := two.Validate(); !errors.Is(err, catalog.ErrInvalid) {
		t.Errorf("the command line's client id: %v", err)
	}
}

func TestATableChangedStepByStepRoutesLikeOneBuiltAtOnce(t *testing.T) {
	t.Parallel()
	hosts, prefixes := []string{"a.test", "b.test"}, []string{"/", "/x", "/x/y", "/z"}
	rapid.Check(t, func(t *rapid.T) {
		stepped, state := catalog.NewTable(), map[resource.Name]*catalog.Service{}
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			s := service(fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "id")), rapid.SliceOfNDistinct(rapid.SampledFrom(hosts), 1, 2, rapid.ID).Draw(t, "hosts"),
				rapid.SliceOfNDistinct(rapid.SampledFrom(prefixes), 1, 2, rapid.ID).Draw(t, "prefixes")...)
			change := map[resource.Name]*catalog.Service{s.Service.Name(): s}
			if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
				change[s.Service.Name()] = nil
			}
			next, err := stepped.With(change)
			wanted := maps.Clone(state)
			maps.Copy(wanted, change)
			atOnce, errAtOnce := catalog.NewTable().With(wanted)
			if (err == nil) != (errAtOnce == nil) {
				t.Fatalf("stepped: %v; at once: %v", err, errAtOnce)
			}
			if err != nil {
				continue
			}
			stepped, state = next, wanted
			for _, host := range hosts {
				for _, path := range []string{"/", "/x", "/x/y/z", "/z/", "/q"} {
					target, _ := catalog.ParseTarget("GET", path)
					got, gotErr := stepped.Route(host, target)
					want, wantErr := atOnce.Route(host, target)
					if got != want || !errors.Is(gotErr, wantErr) {
						t.Fatalf("%s%s leads to %q, %v; at once %q, %v", host, path, got, gotErr, want, wantErr)
					}
				}
			}
		}
	})
}

func TestHostsHaveOneCanonicalForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"App.Test": "app.test", "app.test.": "app.test", "app.test:8080": "app.test", "b\u00fccher.test": "xn--bcher-kva.test",
		"xn--bcher-kva.test": "xn--bcher-kva.test", "127.0.0.1:80": "127.0.0.1", "[::1]:80": "::1", "[::1]": "::1", "a_b.test": "",
		"": "", "a..test": "", "app.test:x": "", "app.test:123456": "", "a b.test": "", "app.test/..": "", "user@app.test": "", "[app.test]": "",
		"xn--a.test": "", "-a.test": "", "app.test\x00": "", "::1": "", "app.test:80:80": "",
	} {
		got, err := catalog.CanonicalHost(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q is read as %q, %v", in, got, err)
		}
	}
}

func FuzzCanonicalHost(f *testing.F) {
	for _, seed := range []string{"App.Test:80", "[::1]", "b\u00fccher.test", "xn--a", "Xn--"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, err := catalog.CanonicalHost(host)
		if err != nil {
			return
		}
		again := got
		if again, err = catalog.CanonicalHost(bracketed(got)); err != nil || again != got {
			t.Fatalf("%q is read as %q, which is read as %q, %v", host, got, again, err)
		}
	})
}

func bracketed(host string) string {
	for i := range len(host) {
		if host[i] == ':' {
			return "[" + host + "]"
		}
	}
	return host
}
