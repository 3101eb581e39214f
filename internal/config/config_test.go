package config

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit/sink"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

const whole = `project: {id: my-project, number: 123456789012}
externalURL: https://auth.example.com:8443
authHost: auth.example.com
dataDir: data
rootKey: {env: GATEHOUSE_ROOT_KEY}
listeners:
  - address: ":8443"
    tls:
      certificates: [{certFile: a.crt, keyFile: /etc/a.key}]
      minVersion: 1.3
    proxyProtocol: {from: [192.0.2.0/24, 2001:db8::1]}
  - address: 127.0.0.1:8080
    redirectToHTTPS: false
    healthCheck: {path: /-/healthz}
  - {address: ":80"}
  - {address: ":82", redirectToHTTPS: false, limits: {maxConnectionsPerAddress: 0, bodyTimeout: 90s}}
admin: {address: "127.0.0.1:9090"}
trustedProxies: [10.0.0.0/8]
manifests: [apps.yaml, /etc/gatehouse/more]
pages: {templates: pages}
audit:
  onFailure: refuse
  maxSize: 2GiB
  maxAge: 36h
  changesMaxAge: 3650d
  lines: {stdout: true, file: log/audit.jsonl, syslog: "tls://log.example.com", syslogCaFile: log-ca.pem}
log: {level: debug, format: json}
`

func TestAWholeFileIsRead(t *testing.T) {
	t.Parallel()
	got, err := Parse("/etc/gatehouse/gatehouse.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	got.Listeners[1].redirect = nil
	some := listener.DefaultLimits()
	some.MaxConnectionsPerAddress, some.BodyTimeout = 0, 90*time.Second
	got.Listeners[3].redirect = nil
	want := &Config{
		File:        "/etc/gatehouse/gatehouse.yaml",
		Project:     Project{"my-project", 123456789012},
		ExternalURL: ExternalURL{"https", "auth.example.com", 8443}, AuthHost: "auth.example.com",
		DataDir: "/etc/gatehouse/data", RootKey: Secret{Env: "GATEHOUSE_ROOT_KEY"},
		Listeners: []Listener{
			{
				Address:       ":8443",
				TLS:           &TLS{[]Certificate{{"/etc/gatehouse/a.crt", "/etc/a.key", tls.VersionTLS13}}, tls.VersionTLS13},
				ProxyProtocol: &ProxyProtocol{[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")}},
				Limits:        listener.DefaultLimits(),
			},
			{Address: "127.0.0.1:8080", HealthCheck: &HealthCheck{"/-/healthz"}, Limits: listener.DefaultLimits()},
			{Address: ":80", RedirectToHTTPS: true, Limits: listener.DefaultLimits()},
			{Address: ":82", Limits: some},
		},
		Admin:          Admin{"127.0.0.1:9090"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Manifests:      []string{"/etc/gatehouse/apps.yaml", "/etc/gatehouse/more"},
		Pages:          Pages{"/etc/gatehouse/pages"},
		Audit: Audit{
			Refuse: true, MaxSize: 2 << 30, MaxAge: 36 * time.Hour, ChangesMaxAge: 10 * 365 * 24 * time.Hour,
			Lines: sink.Options{Stdout: true, File: "/etc/gatehouse/log/audit.jsonl", Syslog: sink.Address{Network: "tls", Target: "log.example.com:6514"}, SyslogCAFile: "/etc/gatehouse/log-ca.pem"},
		},
		Log: Log{slog.LevelDebug, true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read as %+v", got)
	}
}

const least = `project: {id: my-project, number: 1}
externalURL: https://auth.example.com
dataDir: /var/lib/gatehouse
listeners: [{address: ":443"}]
`

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	t.Parallel()
	c, err := Parse("gatehouse.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	if c.AuthHost != "auth.example.com" || c.RootKey != (Secret{}) || !c.Listeners[0].RedirectToHTTPS ||
		c.TrustedProxies != nil || c.Admin.Address != "" || c.Log != (Log{}) ||
		c.Audit != (Audit{MaxSize: 512 << 20, MaxAge: 90 * 24 * time.Hour}) {
		t.Errorf("read as %+v", c)
	}
}

// faulty gives a change to the least file, and where and how it is refused.
var faulty = map[string]struct{ old, new, where, problem string }{
	"an unknown key":                            {"dataDir:", "datadir:", "3:1: datadir", "did you mean dataDir?"},
	"a key that resembles none":                 {"dataDir:", "frobnicate:", "3:1: frobnicate", "the keys here are project, externalURL"},
	"a key that is missing":                     {"dataDir: /var/lib/gatehouse\n", "", "1:1: dataDir", "the key is missing; add dataDir: "},
	"a repeated key":                            {"dataDir:", "externalURL: https://b.example\ndataDir:", "3:1: externalURL", "given twice, first on line 2"},
	"a key without a value":                     {"dataDir: /var/lib/gatehouse", "dataDir:", "3:9: dataDir", "has no value; write a directory"},
	"a number where text is meant":              {"/var/lib/gatehouse", "12", "3:10: dataDir", `"12" is not a directory; write it in quotes`},
	"text where a number is meant":              {"number: 1", "number: one", "1:35: project.number", `"one" is not a number`},
	"a project number below one":                {"number: 1", "number: -1", "1:35: project.number", "is not a positive number"},
	"a malformed project id":                    {"my-project", "My_Project", "1:15: project.id", "is not a project id"},
	"a list where a mapping is meant":           {"{id: my-project, number: 1}", "[]", "1:10: project", "not a list; the keys are id, number"},
	"a mapping where a list is meant":           {`[{address: ":443"}]`, `{address: ":443"}`, "4:12: listeners", "here must be a list, not keys with values"},
	"an alias":                                  {"/var/lib/gatehouse", "&a /x\nauthHost: *a", "4:11: authHost", "aliases (*name) are not used here"},
	"an alias in a list":                        {`[{address: ":443"}]`, `[&a {address: ":443"}, *a]`, "4:35: listeners[1]", "aliases (*name) are not used here"},
	"a merge key":                               {"{id: my-project, number: 1}", "{<<: {id: my-project}, number: 1}", "1:11: project.<<", "there is no such key"},
	"a tag":                                     {"/var/lib/gatehouse", "!!binary aGk=", "3:10: dataDir", "is not a directory"},
	"no YAML at all":                            {"project:", "\tproject: [", "1:1: ", "this is not YAML"},
	"an external URL with a path":               {"auth.example.com", "auth.example.com/x", "2:14: externalURL", "is not the URL of a host"},
	"an external URL with a user":               {"auth.example.com", "me@auth.example.com", "2:14: externalURL", "is not the URL of a host"},
	"an external URL without TLS":               {"https:", "http:", "2:14: externalURL", "nobody could sign in"},
	"an external URL of another scheme":         {"https:", "ftp:", "2:14: externalURL", "another scheme than https"},
	"an external URL with port 0":               {"auth.example.com", "auth.example.com:0", "2:14: externalURL", "no port from 1"},
	"another auth host than the external URL's": {"dataDir:", "authHost: login.example.com\ndataDir:", "3:11: authHost", `not the host of externalURL, "auth.example.com"`},
	"an auth host with a port":                  {"dataDir:", "authHost: auth.example.com:443\ndataDir:", "3:11: authHost", "is not a host name"},
	"a root key in the file itself":             {"dataDir:", "rootKey: c2VjcmV0\ndataDir:", "3:10: rootKey", "the keys are file, env"},
	"two root keys":                             {"dataDir:", "rootKey: {file: a, env: B}\ndataDir:", "3:10: rootKey", "both file and env"},
	"an empty root key":                         {"dataDir:", "rootKey: {}\ndataDir:", "3:10: rootKey", "neither file nor env"},
	"no listener":                               {`[{address: ":443"}]`, "[]", "4:12: listeners", "nobody could come in"},
	"a listener at a name":                      {`":443"`, "example.com:443", "4:23: listeners[0].address", "does not begin with an IP address"},
	"a listener without a port":                 {`":443"`, "127.0.0.1", "4:23: listeners[0].address", "is not HOST:PORT"},
	"a listener with too high a port":           {`":443"`, `":65536"`, "4:23: listeners[0].address", "no port from 0 to 65535"},
	"two listeners at one address":              {`[{address: ":443"}]`, `[{address: ":443"}, {address: ":443"}]`, "4:42: listeners[1].address", "address of listeners[0].address already"},
	"TLS without a certificate":                 {`":443"`, `":443", tls: {certificates: []}`, "4:51: listeners[0].tls.certificates", "the list is empty"},
	"TLS 1.1":                                   {`":443"`, `":443", tls: {minVersion: "1.1", certificates: [{certFile: a, keyFile: b}]}`, "4:49: listeners[0].tls.minVersion", "older ones are broken"},
	"a redirect from TLS":                       {`":443"`, `":443", redirectToHTTPS: true, tls: {certificates: [{certFile: a, keyFile: b}]}`, "4:48: listeners[0].redirectToHTTPS", "nothing to redirect"},
	"a header without room":                     {`":443"`, `":443", limits: {maxHeaderBytes: 100}`, "4:56: listeners[0].limits.maxHeaderBytes", "is not from 8192 to 1048576"},
	"no streams at all":                         {`":443"`, `":443", limits: {maxConcurrentStreams: 0}`, "4:62: listeners[0].limits.maxConcurrentStreams", "is not from 1"},
	"a time-out of a moment":                    {`":443"`, `":443", limits: {idleTimeout: 10ms}`, "4:53: listeners[0].limits.idleTimeout", "is not a duration from 1s to 24h"},
	"a time-out without a unit":                 {`":443"`, `":443", limits: {idleTimeout: "30"}`, "4:53: listeners[0].limits.idleTimeout", "is not a duration from 1s to 24h"},
	"a limit for URLs above that for headers":   {`":443"`, `":443", limits: {maxURLBytes: 70000}`, "4:53: listeners[0].limits.maxURLBytes", "is more than maxHeaderBytes"},
	"a word for a boolean":                      {`":443"`, `":443", redirectToHTTPS: "yes"`, "4:48: listeners[0].redirectToHTTPS", "is not true or false"},
	"everybody as a trusted proxy":              {"dataDir:", "trustedProxies: [0.0.0.0/0]\ndataDir:", "3:18: trustedProxies[0]", "everybody's addresses"},
	"a network with host bits":                  {"dataDir:", "trustedProxies: [10.1.0.0/8]\ndataDir:", "3:18: trustedProxies[0]", "write 10.0.0.0/8"},
	"one network that is no list":               {"dataDir:", "trustedProxies: 10.0.0.0/8\ndataDir:", "3:17: trustedProxies", "write [10.0.0.0/8]"},
	"an IPv4 network written as IPv6":           {"dataDir:", "trustedProxies: [\"::ffff:10.0.0.0/104\"]\ndataDir:", "3:18: trustedProxies[0]", "write it as IPv4"},
	"a PROXY protocol from nobody":              {`":443"`, `":443", proxyProtocol: {from: []}`, "4:53: listeners[0].proxyProtocol.from", "nobody could connect"},
	"a health check without a path":             {`":443"`, `":443", healthCheck: {}`, "4:44: listeners[0].healthCheck.path", "missing"},
	"a health check for every path":             {`":443"`, `":443", healthCheck: {path: /}`, "4:51: listeners[0].healthCheck.path", "is not a path"},
	"a health check with an escape":             {`":443"`, `":443", healthCheck: {path: /a%2fb}`, "4:51: listeners[0].healthCheck.path", "is not a path"},
	"a health check in IAP's place":             {`":443"`, `":443", healthCheck: {path: /_gcp_iap/x}`, "4:51: listeners[0].healthCheck.path", "IAP's own"},
	"another way to go on":                      {"dataDir:", "audit: {onFailure: stop}\ndataDir:", "3:20: audit.onFailure", "write one of continue, refuse"},
	"a size without a unit":                     {"dataDir:", "audit: {maxSize: \"512\"}\ndataDir:", "3:18: audit.maxSize", "such as 512MiB"},
	"too little room for records":               {"dataDir:", "audit: {maxSize: 1MiB}\ndataDir:", "3:18: audit.maxSize", "write 16MiB or more"},
	"more room than there are numbers for":      {"dataDir:", "audit: {maxSize: 9999999999GiB}\ndataDir:", "3:18: audit.maxSize", "is not a size"},
	"a length of time without a unit":           {"dataDir:", "audit: {maxAge: ninety}\ndataDir:", "3:17: audit.maxAge", "such as 90d"},
	"more days than can be counted":             {"dataDir:", "audit: {maxAge: 999999d}\ndataDir:", "3:17: audit.maxAge", "fewer days"},
	"a record that is gone at once":             {"dataDir:", "audit: {changesMaxAge: 1s}\ndataDir:", "3:24: audit.changesMaxAge", "write 1h or more"},
	"an address that is none of syslog":         {"dataDir:", "audit: {lines: {syslog: /dev/log}}\ndataDir:", "3:25: audit.lines.syslog", "is not unix:///PATH"},
	"authorities that vouch for nobody":         {"dataDir:", "audit: {lines: {syslog: \"tcp://log\", syslogCaFile: ca.pem}}\ndataDir:", "3:52: audit.lines.syslogCaFile", "would verify nothing"},
	"an unknown level":                          {"dataDir:", "log: {level: loud}\ndataDir:", "3:14: log.level", "write one of debug, error, info, warn"},
	"an unknown format":                         {"dataDir:", "log: {format: xml}\ndataDir:", "3:15: log.format", "write one of json, text"},
	"a second document":                         {`[{address: ":443"}]`, "[{address: \":443\"}]\n---\nlog: {}", "1:1: ", "several documents"},
	"a bell in a key":                           {"dataDir:", "\"da\\atadir\": 1\ndataDir:", "3:1: da\\atadir", "no such key"},
}

func TestEveryFaultIsNamedWithItsPlaceAndAFix(t *testing.T) {
	t.Parallel()
	for name, c := range faulty {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(least, c.old, c.new, 1)
			if text == least {
				t.Fatal("the text is as before")
			}
			_, err := Parse("gatehouse.yaml", []byte(text))
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("accepted, or another error: %v", err)
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if strings.HasPrefix(line, "gatehouse.yaml:"+c.where) && strings.Contains(line, c.problem) {
					return
				}
			}
			t.Errorf("refused with\n%v", err)
		})
	}
}

func TestAllFaultsAreListedAtOnceInTheOrderOfLines(t *testing.T) {
	t.Parallel()
	_, err := Parse("g.yaml", []byte("project: {id: X, number: 0}\nexternalURL: nonsense\nlisteners: [{address: 80}, {adress: ':80'}]\nlog: {level: loud}\n"))
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var keys []string
	for _, f := range faults {
		keys = append(keys, f.Key)
	}
	want := []string{"dataDir", "project.id", "project.number", "externalURL", "listeners[0].address", "listeners[1].address", "listeners[1].adress", "log.level"}
	if !slices.Equal(keys, want) {
		t.Errorf("faults of %q\n%v", keys, err)
	}
}

func TestASecretInTheWrongPlaceIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, rootKey := range []string{"hunter2=", "{env: hunter2=}", "{env: 12345}", "[hunter2=]", "{env: [hunter2=]}"} {
		_, err := Parse("g.yaml", []byte(strings.Replace(least, "dataDir:", "rootKey: "+rootKey+"\ndataDir:", 1)))
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "12345") {
			t.Errorf("%s is refused with %v", rootKey, err)
		}
	}
}

func TestAnEmptyFileSaysHowToWriteOne(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "null\n"} {
		if _, err := Parse("g.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "config init") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPlainHTTPIsForLocalNames(t *testing.T) {
	t.Parallel()
	for url, fine := range map[string]bool{
		"http://auth.localhost:8080": true, "http://localhost": true, "http://127.0.0.1:80": true, "http://[::1]:80": true,
		"http://auth.example": false, "http://localhost.example": false, "http://192.0.2.1": false,
	} {
		text := strings.Replace(least, "https://auth.example.com", url, 1)
		if c, err := Parse("g.yaml", []byte(text)); (err == nil) != fine {
			t.Errorf("%s: %v", url, err)
		} else if fine && c.Listeners[0].RedirectToHTTPS {
			t.Errorf("%s: a plain listener redirects to https", url)
		}
	}
}

func TestOnlyKeysThatNeedItAskForARestart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"nothing":                 {"level: debug", "level: debug", nil},
		"the level of the log":    {"level: debug", "level: error", nil},
		"trusted proxies":         {"10.0.0.0/8", "10.0.0.0/9", nil},
		"another certificate":     {"a.crt", "b.crt", nil},
		"one certificate more":    {"[{certFile: a.crt,", "[{certFile: b.crt, keyFile: b.key}, {certFile: a.crt,", nil},
		"manifests":               {"apps.yaml, ", "", nil},
		"a redirect":              {"redirectToHTTPS: false", "redirectToHTTPS: true", nil},
		"the data directory":      {"dataDir: data", "dataDir: date", []string{"dataDir"}},
		"the project":             {"number: 123456789012", "number: 2", []string{"project.number"}},
		"the root key":            {"env: GATEHOUSE_ROOT_KEY", "file: root.key", []string{"rootKey.file", "rootKey.env"}},
		"an address":              {":80\"", ":81\"", []string{"listeners[2].address"}},
		"a limit":                 {"bodyTimeout: 90s", "bodyTimeout: 91s", []string{"listeners[3].limits.bodyTimeout"}},
		"a listener more":         {"  - {address: \":80\"}", "  - {address: \":80\"}\n  - {address: \":81\"}", []string{"listeners"}},
		"the version of TLS":      {"1.3", "1.2", nil},
		"the PROXY protocol off":  {"    proxyProtocol: {from: [192.0.2.0/24, 2001:db8::1]}\n", "", nil},
		"what becomes of records": {"onFailure: refuse\n  maxSize: 2GiB", "maxSize: 1GiB", nil},
		"where lines go":          {"stdout: true", "stdout: false", nil},
		"who speaks the protocol": {"192.0.2.0/24", "192.0.2.0/25", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, err := Parse("g.yaml", []byte(whole))
			if err != nil {
				t.Fatal(err)
			}
			after, err := Parse("g.yaml", []byte(strings.Replace(whole, c.old, c.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if got := before.NeedsRestart(after); !slices.Equal(got, c.want) {
				t.Errorf("asks for a restart for %q, not %q", got, c.want)
			}
		})
	}
}

func TestEveryKeyIsExplainedAndFound(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range Reference() {
		if seen[e.Key] {
			t.Errorf("%s stands twice", e.Key)
		}
		seen[e.Key] = true
		if e.Meaning == "" || !strings.HasSuffix(e.Meaning, ".") || e.Kind == "" {
			t.Errorf("%s: meaning %q, kind %q", e.Key, e.Meaning, e.Kind)
		}
		if e.Required && (e.Default != "" || e.Example == "") {
			t.Errorf("%s is required: it needs an example and can have no default", e.Key)
		}
		if found, err := Explain(e.Key); err != nil || found[0].Key != e.Key {
			t.Errorf("Explain(%q) = %v, %v", e.Key, found, err)
		}
	}
	if !seen["listeners[].tls.certificates[].keyFile"] {
		t.Error("keys within keys are missing")
	}
	if found, err := Explain("listeners[3].tls"); err != nil || len(found) != 6 {
		t.Errorf("the keys of TLS are %v, %v", found, err)
	}
	if _, err := Explain("listener"); err == nil {
		t.Error("a key that is not there is explained")
	}
}

func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(least))
	for _, c := range faulty {
		f.Add([]byte(strings.Replace(least, c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("g.yaml", text)
		var faults Faults
		if err != nil && !errors.As(err, &faults) {
			t.Fatalf("an error that is no list of faults: %v", err)
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.Problem == "" || strings.ContainsAny(fault.Key, "\n\x1b") {
				t.Errorf("fault %+v", fault)
			}
		}
		if err == nil && (c.AuthHost == "" || c.DataDir == "" || c.Project.Number <= 0 || len(c.Listeners) == 0) {
			t.Errorf("accepted without what must be there: %+v", c)
		}
	})
}
