package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// trusting makes trusted proxies of peers.
func trusting(peers ...string) func(*server.Options) {
	return func(o *server.Options) {
		var prefixes []netip.Prefix
		for _, peer := range peers {
			prefixes = append(prefixes, netip.MustParsePrefix(peer))
		}
		o.TrustedProxies = listener.NewTrustedProxies(prefixes, o.Log)
	}
}

// told is what an application learns about where a request came from.
type told struct{ host, forwardedFor, proto, forwardedHost, forwarded string }

func toldIn(request string) told {
	one := func(name string) string { return strings.Join(headerOf(request, name), " AND ") }
	return told{one("Host"), one("X-Forwarded-For"), one("X-Forwarded-Proto"), one("X-Forwarded-Host"), one("Forwarded")}
}

func TestWhereARequestCameFromIsTheTrustedProxysWordAndNobodyElses(t *testing.T) {
	t.Parallel()
	gates := map[string]*gate{
		"nobody is trusted":  startGate(t),
		"others are trusted": startGate(t, trusting("10.0.0.0/8", "203.0.113.0/24")),
		"the peer is":        startGate(t, trusting("127.0.0.0/8", "10.0.0.0/8")),
	}
	ourselves := told{"app.test", "127.0.0.1", "http", "app.test", `for=127.0.0.1;host="app.test";proto=http`}
	for name, c := range map[string]struct {
		headers []string
		want    told // where the peer is trusted
	}{
		"nothing": {nil, ourselves},
		"X-Forwarded-*": {
			[]string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: public.test:8443"},
			told{"public.test:8443", "203.0.113.9, 127.0.0.1", "https", "public.test:8443", `for=203.0.113.9;host="public.test:8443";proto=https, for=127.0.0.1`},
		},
		"a chain, with what the client wrote before it": {
			[]string{"X-Forwarded-For: 1.1.1.1, 2001:db8::9", "X-Forwarded-For: 10.0.0.2"},
			told{"app.test", "2001:db8::9, 10.0.0.2, 127.0.0.1", "http", "app.test", `for="[2001:db8::9]";host="app.test";proto=http, for=10.0.0.2, for=127.0.0.1`},
		},
		"Forwarded": {
			[]string{"Forwarded: for=1.1.1.1, for=203.0.113.9;proto=https;host=public.test"},
			told{"public.test", "203.0.113.9, 127.0.0.1", "https", "public.test", `for=203.0.113.9;host="public.test";proto=https, for=127.0.0.1`},
		},
		"other spellings": {[]string{"X_Forwarded_For: 203.0.113.9", "x-forwarded_host: evil.test", "X-Real-Ip: 203.0.113.9", "X-Original-Host: evil.test"}, ourselves},
	} {
		for trust, g := range gates {
			want := ourselves
			if trust == "the peer is" {
				want = c.want
			}
			auth := g.as("alice@example.com", private)
			if want.host != "app.test" {
				auth = "X-Nobody: yes" // public.test is open to all
			}
			response, body := g.get("app.test", "/", append([]string{auth}, c.headers...)...)
			seen := g.app.last()
			if got := toldIn(seen); response.StatusCode != http.StatusOK || got != want {
				t.Errorf("%s, %s: status %d %s\n%+v\nthe app received:\n%s", name, trust, response.StatusCode, body, got, seen)
			}
			if strings.Contains(seen, "evil.test") || strings.Contains(seen, "1.1.1.1") {
				t.Errorf("%s, %s: what the client wrote reached the app:\n%s", name, trust, seen)
			}
		}
	}
}

func TestATrustedProxyThatContradictsItselfIsRefused(t *testing.T) {
	t.Parallel()
	g := startGate(t, trusting("127.0.0.0/8"))
	for _, host := range []string{"app.test", "auth.test", "unknown.test"} {
		response, body := g.get(host, "/", "Accept: application/json", g.as("alice@example.com", private),
			"X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.8")
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"proxy_conflict"`) || g.app.last() != "" {
			t.Errorf("%s: status %d, %s", host, response.StatusCode, body)
		}
	}
}

func TestTheRecordNamesTheClientPastTheProxy(t *testing.T) {
	t.Parallel()
	for want, g := range map[string]*gate{"203.0.113.9": startGate(t, trusting("127.0.0.0/8")), "127.0.0.1": startGate(t)} {
		_, body := g.get("app.test", "/", "Accept: application/json", g.as("bob@example.com", private), "X-Forwarded-For: 1.1.1.1, 203.0.113.9")
		var refusal struct{ ID string }
		if err := json.Unmarshal([]byte(body), &refusal); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		explained, err := g.server.Admin().Explain(t.Context(), refusal.ID)
		if err != nil || explained.Peer != want {
			t.Errorf("the record names %q, %v", explained.Peer, err)
		}
	}
}

func TestAClientCertificateIsATrustedProxysWordAndNobodyElses(t *testing.T) {
	t.Parallel()
	sent := []string{"Client-Cert: :bWFsbG9yeQ==:", "Client-Cert-Chain: :Y2hhaW4=:"}
	spoofs := []string{"Client_Cert: mallory", "CLIENT.CERT: mallory", "Client-Certificate: mallory", "X-Forwarded-Client-Cert: mallory"}
	for trusted, g := range map[bool]*gate{true: startGate(t, trusting("127.0.0.0/8")), false: startGate(t)} {
		g.get("open.test", "/", append(sent, spoofs...)...)
		seen := g.app.last()
		got := append(headerOf(seen, "Client-Cert"), headerOf(seen, "Client-Cert-Chain")...)
		var want []string
		if trusted {
			want = []string{":bWFsbG9yeQ==:", ":Y2hhaW4=:"}
		}
		if !slices.Equal(got, want) || strings.Contains(seen, "mallory") {
			t.Errorf("trusted %v: the app received\n%s", trusted, seen)
		}
	}
}

func TestAnUnknownHostIsMisdirectedWhereTheClientUsedTLS(t *testing.T) {
	t.Parallel()
	g := startGate(t, trusting("127.0.0.0/8"))
	for proto, want := range map[string]int{"https": http.StatusMisdirectedRequest, "http": http.StatusNotFound} {
		if response, _ := g.get("unknown.test", "/", "X-Forwarded-Proto: "+proto); response.StatusCode != want {
			t.Errorf("%s: status %d", proto, response.StatusCode)
		}
	}
}

func TestAForgottenProxyIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	g := startGate(t, func(o *server.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) }, trusting("10.0.0.0/8"))
	for range 3 {
		g.get("open.test", "/", "X-Forwarded-For: 203.0.113.9")
	}
	g.stop()
	if n := strings.Count(log.String(), "trustedProxies: [127.0.0.1/32]"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}

func TestSignInTakesTheSameAddressForTheClients(t *testing.T) {
	t.Parallel()
	for want, trust := range map[string]string{"peer=203.0.113.9": "127.0.0.0/8", "peer=127.0.0.1": "10.0.0.0/8"} {
		var log bytes.Buffer
		g := startGate(t, func(o *server.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) }, trusting(trust))
		g.get("app.test", "/?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=x", "X-Forwarded-For: 203.0.113.9")
		g.stop()
		if !strings.Contains(log.String(), "sign-in begins anew") || !strings.Contains(log.String(), want) {
			t.Errorf("the log says\n%s", log.String())
		}
	}
}
