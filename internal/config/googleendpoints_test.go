package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

const google = least + `googleEndpoints:
  gstatic: {address: "127.0.0.2:443", certFile: ca/www.crt, keyFile: ca/www.key}
  metadata: {address: "127.0.0.2:80"}
  relay: {resolver: 8.8.8.8}
`

func TestGoogleEndpointsAreRead(t *testing.T) {
	t.Parallel()
	c, err := Parse("/etc/gatehouse/g.yaml", []byte(google))
	if err != nil {
		t.Fatal(err)
	}
	want := GoogleEndpoints{
		GStatic:  &GStatic{"127.0.0.2:443", "/etc/gatehouse/ca/www.crt", "/etc/gatehouse/ca/www.key"},
		Metadata: &MetadataServer{"127.0.0.2:80", DefaultZone},
		Relay:    Relay{Resolver: "8.8.8.8:53"},
	}
	if !reflect.DeepEqual(c.GoogleEndpoints, want) {
		t.Errorf("read as %+v", c.GoogleEndpoints)
	}
}

func TestFaultsOfGoogleEndpointsAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, key, problem string }{
		"an address of another listener":     {"127.0.0.2:443", ":443", "googleEndpoints.gstatic.address", "address of listeners[0].address already"},
		"one address for both":               {"127.0.0.2:80", "127.0.0.2:443", "googleEndpoints.metadata.address", "already"},
		"no certificate":                     {"certFile: ca/www.crt, ", "", "googleEndpoints.gstatic.certFile", "missing"},
		"a zone that is none":                {`"127.0.0.2:80"`, `"127.0.0.2:80", zone: "a/b"`, "googleEndpoints.metadata.zone", "not the name of a zone"},
		"a resolver by name":                 {"resolver: 8.8.8.8", "resolver: dns.google:53", "googleEndpoints.relay.resolver", "write an IP address"},
		"a resolver that is nothing":         {"resolver: 8.8.8.8", "resolver: dns", "googleEndpoints.relay.resolver", "not HOST:PORT"},
		"a relay to a URL":                   {"resolver: 8.8.8.8", "address: https://x:443", "googleEndpoints.relay.address", "not HOST:PORT"},
		"a relay to port 0":                  {"resolver: 8.8.8.8", `address: "192.0.2.1:0"`, "googleEndpoints.relay.address", "no port from 1"},
		"a relay to a name with spaces":      {"resolver: 8.8.8.8", `address: "a b:1"`, "googleEndpoints.relay.address", "can be connected to"},
		"a resolver that nobody asks":        {"{resolver: 8.8.8.8}", `{resolver: 8.8.8.8, address: "192.0.2.1:443"}`, "googleEndpoints.relay.resolver", "nothing is looked up"},
		"a relay for nothing":                {`  gstatic: {address: "127.0.0.2:443", certFile: ca/www.crt, keyFile: ca/www.key}` + "\n", "", "googleEndpoints.relay", "nothing is relayed"},
		"a key of the metadata that is none": {`"127.0.0.2:80"`, `"127.0.0.2:80", zones: x`, "googleEndpoints.metadata.zones", "did you mean zone?"},
	} {
		text := strings.Replace(google, c.old, c.new, 1)
		_, err := Parse("g.yaml", []byte(text))
		if text == google || err == nil || !strings.Contains(err.Error(), c.key) || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheCertificateForGoogleIsLookedAt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair(t, dir, "www")
	text := strings.NewReplacer("ca/www", "www", "/var/lib/gatehouse", "data").Replace(google)
	file := write(t, dir, "g.yaml", text, 0o600)
	if _, err := Read(file, Source{LookupEnv: os.LookupEnv}); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir+"/www.key", 0o644)
	if _, err := Read(file, Source{LookupEnv: os.LookupEnv}); err == nil || !strings.Contains(err.Error(), "googleEndpoints.gstatic.keyFile") || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that all may read: %v", err)
	}
	remove(t, dir+"/www.crt")
	if _, err := Read(file, Source{LookupEnv: os.LookupEnv}); err == nil || !strings.Contains(err.Error(), "googleEndpoints.gstatic.certFile") {
		t.Errorf("a certificate that is not there: %v", err)
	}
}
