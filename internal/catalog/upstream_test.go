package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
)

func TestAnUpstreamThatCannotWorkIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	tls := func(t catalog.UpstreamTLS) *catalog.UpstreamTLS { return &t }
	for name, c := range map[string]struct {
		upstream, host string
		tls            *catalog.UpstreamTLS
		want           string // in the error; empty for none
	}{
		"http":                                 {upstream: "http://app.internal:8080"},
		"a slash at the end":                   {upstream: "http://app.internal/"},
		"an address":                           {upstream: "http://[::1]:8080"},
		"a name with an underscore":            {upstream: "http://my_app:8080", host: "my_app:80"},
		"https":                                {upstream: "https://app.internal"},
		"h2c":                                  {upstream: "h2c://app.internal:9000"},
		"all of TLS":                           {upstream: "https://10.0.0.1", tls: tls(catalog.UpstreamTLS{CAFile: "/ca", ServerName: "app.internal", CertFile: "/c", KeyFile: "/k"})},
		"verification off, and a name for SNI": {upstream: "https://10.0.0.1", tls: tls(catalog.UpstreamTLS{InsecureSkipVerify: true, ServerName: "app.internal"})},
		"empty TLS of http":                    {upstream: "http://app.internal", tls: tls(catalog.UpstreamTLS{})},

		"no scheme":                 {upstream: "app.internal:8080", want: "https:// or h2c://"},
		"nothing":                   {upstream: "", want: "http://HOST:PORT"},
		"WebSocket":                 {upstream: "wss://app.internal", want: "write http or https"},
		"gRPC":                      {upstream: "grpc://app.internal", want: "h2c without TLS"},
		"a socket":                  {upstream: "unix:///run/app.sock", want: "must be http, https or h2c"},
		"a path":                    {upstream: "http://app.internal/base", want: "must end after the port"},
		"a query":                   {upstream: "http://app.internal?", want: "must end after the port"},
		"a fragment":                {upstream: "http://app.internal#", want: "must end after the port"},
		"a password":                {upstream: "http://user:secret@app.internal", want: "no password"},
		"no host":                   {upstream: "http://:8080", want: "must name a host"},
		"port 0":                    {upstream: "http://app.internal:0", want: "between 1 and 65535"},
		"a port too high":           {upstream: "http://app.internal:65536", want: "between 1 and 65535"},
		"an empty port":             {upstream: "http://app.internal:", want: "between 1 and 65535"},
		"a Host with a path":        {upstream: "http://app.internal", host: "x/y", want: "upstreamHost"},
		"a Host with a line break":  {upstream: "http://app.internal", host: "x\r\nX-A: b", want: "upstreamHost"},
		"a Host with a user":        {upstream: "http://app.internal", host: "a@b", want: "upstreamHost"},
		"TLS of http":               {upstream: "http://app.internal", tls: tls(catalog.UpstreamTLS{CAFile: "/ca"}), want: "write https://"},
		"TLS of h2c":                {upstream: "h2c://app.internal", tls: tls(catalog.UpstreamTLS{InsecureSkipVerify: true}), want: "write https://"},
		"a file beside the server":  {upstream: "https://app.internal", tls: tls(catalog.UpstreamTLS{CAFile: "ca.pem"}), want: "absolute path"},
		"a certificate by itself":   {upstream: "https://app.internal", tls: tls(catalog.UpstreamTLS{CertFile: "/c"}), want: "needs its keyFile"},
		"a key by itself":           {upstream: "https://app.internal", tls: tls(catalog.UpstreamTLS{KeyFile: "/k"}), want: "needs its certFile"},
		"an authority for nothing":  {upstream: "https://app.internal", tls: tls(catalog.UpstreamTLS{CAFile: "/ca", InsecureSkipVerify: true}), want: "take one of them out"},
		"a server name with a port": {upstream: "https://app.internal", tls: tls(catalog.UpstreamTLS{ServerName: "app:443"}), want: "without a port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := service("1", []string{"a.test"})
			s.Upstream, s.UpstreamHost, s.UpstreamTLS = c.upstream, c.host, c.tls
			err := s.Validate()
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, catalog.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, which should say %q", err, c.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes a password: %v", err)
			}
		})
	}
}

func TestSeveralAddressesAndTheirChecksAreValidatedWithWhatToDo(t *testing.T) {
	t.Parallel()
	two := []string{"http://10.0.0.1:8080", "http://10.0.0.2:8080"}
	many := make([]string, catalog.MaxUpstreams+1)
	for i := range many {
		many[i] = fmt.Sprintf("http://10.0.0.%d", i)
	}
	for name, c := range map[string]struct {
		upstream  string
		upstreams []string
		timeouts  catalog.UpstreamTimeouts
		check     *catalog.HealthCheck
		want      string // in the error; empty for none
	}{
		"two addresses":                {upstreams: two},
		"one address in the list":      {upstreams: two[:1]},
		"as many as there may be":      {upstreams: many[1:]},
		"all timeouts":                 {upstreams: two, timeouts: catalog.UpstreamTimeouts{ConnectSec: 300, FirstByteSec: 86400, IdleSec: 1}},
		"a check of defaults":          {upstreams: two, check: &catalog.HealthCheck{}},
		"a check with everything":      {upstreams: two, check: &catalog.HealthCheck{RequestPath: "/a/b?deep=1", Host: "app.internal:80", CheckIntervalSec: 300, TimeoutSec: 300, HealthyThreshold: 10, UnhealthyThreshold: 1}},
		"a short interval by itself":   {upstreams: two, check: &catalog.HealthCheck{CheckIntervalSec: 1}},
		"no address":                   {want: "upstream is missing"},
		"both fields":                  {upstream: two[0], upstreams: two[1:], want: "take upstream out"},
		"an address that is none":      {upstreams: []string{two[0], "10.0.0.2"}, want: `upstream "10.0.0.2" must be`},
		"two schemes":                  {upstreams: []string{two[0], "h2c://10.0.0.2"}, want: "one scheme"},
		"an address twice":             {upstreams: []string{"http://App.internal/", "http://app.internal"}, want: "twice"},
		"too many":                     {upstreams: many, want: "64 is the most"},
		"a timeout below zero":         {upstreams: two, timeouts: catalog.UpstreamTimeouts{IdleSec: -1}, want: "upstreamTimeouts.idleSec -1 must be between 1 and 86400"},
		"a timeout too long":           {upstreams: two, timeouts: catalog.UpstreamTimeouts{ConnectSec: 301}, want: "upstreamTimeouts.connectSec 301"},
		"a path without a slash":       {upstreams: two, check: &catalog.HealthCheck{RequestPath: "healthz"}, want: "healthCheck.requestPath"},
		"a URL for a path":             {upstreams: two, check: &catalog.HealthCheck{RequestPath: "//10.0.0.1/healthz"}, want: "healthCheck.requestPath"},
		"a path with a fragment":       {upstreams: two, check: &catalog.HealthCheck{RequestPath: "/a#b"}, want: "healthCheck.requestPath"},
		"a path with a line break":     {upstreams: two, check: &catalog.HealthCheck{RequestPath: "/a\r\nX: y"}, want: "healthCheck.requestPath"},
		"a path with a space":          {upstreams: two, check: &catalog.HealthCheck{RequestPath: "/a HTTP/1.1"}, want: "healthCheck.requestPath"},
		"a Host with a line break":     {upstreams: two, check: &catalog.HealthCheck{Host: "a\r\nX: y"}, want: "healthCheck.host"},
		"a timeout above the interval": {upstreams: two, check: &catalog.HealthCheck{CheckIntervalSec: 3, TimeoutSec: 4}, want: "must not be more than checkIntervalSec, which is 3"},
		"a threshold too high":         {upstreams: two, check: &catalog.HealthCheck{HealthyThreshold: 11}, want: "healthCheck.healthyThreshold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := service("1", []string{"a.test"})
			s.Upstream, s.Upstreams, s.UpstreamTimeouts, s.HealthCheck = c.upstream, c.upstreams, &c.timeouts, c.check
			err := s.Validate()
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" && (!errors.Is(err, catalog.ErrInvalid) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, which should say %q", err, c.want)
			}
		})
	}
}
