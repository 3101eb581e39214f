package load

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func (s *soak) load(t *testing.T) {
	to := target{address: "127.0.0.1:" + s.site.Port, host: appHost + ":" + s.site.Port}
	to.header = "Cookie: " + s.cookies(t, s.signedIn(t, alice), appHost) + "\r\n"
	const connections = 16
	connect := overHTTP1("/bytes/1024")
	carried := asFastAsItGoes(t, connect, to, connections, time.Second)
	rate := carried.exchanges * 6 / 10
	timed := atRate(t, connect, to, connections, rate, time.Until(s.end))
	s.checks.Add(int64(timed.exchanges))
	t.Logf("%d/s: p50 %v, p99 %v, the slowest %v", rate, timed.quantile(0.5), timed.quantile(0.99), timed.quantile(1))
}

func (s *soak) people(t *testing.T) {
	for !s.over() {
		visitor := s.signedIn(t, "bob@example.com")
		s.passes(t, visitor.Client(), appHost, "/bytes/10", "bob@example.com")
		kept := s.cookies(t, visitor, appHost)
		visitor.Send(visitor.Open(s.site.Auth + "/signout"))
		again := harness.Client(nil) // somebody who has kept the cookies
		answer := harness.Get(t, again, s.site.URL(appHost)+"/bytes/10", "Cookie", kept, "Accept", "application/json", "X-Requested-With", "XMLHttpRequest")
		if answer.StatusCode != http.StatusUnauthorized {
			t.Fatalf("after signing out, the cookies still get %d\n%s", answer.StatusCode, answer.Text)
		}
		s.checks.Add(1)
		time.Sleep(200 * time.Millisecond)
	}
}

func (s *soak) policies(t *testing.T) {
	client := s.signedIn(t, alice).Client()
	// A first navigation opens the session of this host, and is refused: alice has no role there yet.
	visitor := harness.NewVisitorOver(t, harness.Connections())
	visitor.Client().Jar = client.Jar
	visitor.Open(s.site.URL(wikiHost) + "/bytes/10")
	change := func(what string) {
		s.site.CLI(t, "iap", "web", what+"-iam-policy-binding", "--resource-type=backend-services", "--service=wiki",
			"--member=user:"+alice, "--role=roles/iap.httpsResourceAccessor")
	}
	for !s.over() {
		s.stopped(t, client, wikiHost, "/bytes/10", http.StatusForbidden)
		change("add")
		s.passes(t, client, wikiHost, "/bytes/10", alice)
		change("remove")
	}
}

// keys rotates keys as after a leak, at once. A verifier that has fetched keys within the last ten seconds does not fetch
// again for one that it does not know, and refuses it until then; from then on all is well.
func (s *soak) keys(t *testing.T) {
	const patience = 11 * time.Second
	// Keys stay published for longer than any soak, and verifiers take no more than a hundred.
	every := max(30*time.Second, time.Until(s.end)/80)
	client := s.signedIn(t, alice).Client()
	for !s.over() {
		s.site.CLI(t, "keys", "rotate", "--now")
		for rotated := time.Now(); time.Since(rotated) < every && !s.over(); time.Sleep(25 * time.Millisecond) {
			answer := harness.Get(t, client, s.site.URL(appHost)+"/verified", "Accept", "application/json")
			switch {
			case answer.StatusCode == http.StatusOK && answer.Header.Get("X-Email") == "accounts.google.com:"+alice:
				s.checks.Add(1)
			case time.Since(rotated) < patience && strings.Contains(answer.Text, "names a key that is not published"):
			default:
				t.Fatalf("%v after a rotation: %d\n%s", time.Since(rotated), answer.StatusCode, answer.Text)
			}
		}
	}
}

// restarts takes turns: one address of the application is always there.
func (s *soak) restarts(t *testing.T) {
	for i := 0; !s.over(); i++ {
		s.processes[i%2].Stop(t) // it finishes what it has begun
		s.startApp(t, i%2)
		time.Sleep(3 * time.Second) // rolling updates wait until the new one is ready, and longer than this
	}
}

// slowClients send a byte of a header now and then, and ask for answers that they do not read.
func (s *soak) slowClients(t *testing.T) {
	address := "127.0.0.1:" + s.site.Port
	cookie := s.cookies(t, s.signedIn(t, alice), appHost)
	var open []net.Conn
	connect := func(say string) {
		conn, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(say)); err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	for range 20 {
		connect("GET / HTTP/1.1\r\nHost: " + appHost + "\r\n")
		connect("GET /bytes/1048576 HTTP/1.1\r\nHost: " + appHost + "\r\nCookie: " + cookie + "\r\n\r\n")
		connect("POST /post HTTP/1.1\r\nHost: " + appHost + "\r\nContent-Length: 1000000\r\nCookie: " + cookie + "\r\n\r\n")
	}
	for !s.over() {
		for _, conn := range open {
			_, _ = conn.Write([]byte("X")) // the gate may have had enough of it
		}
		time.Sleep(250 * time.Millisecond)
	}
	for _, conn := range open {
		conn.Close()
	}
}

func (s *soak) strangers(t *testing.T) {
	good := s.cookies(t, s.signedIn(t, alice), appHost)
	name, value, found := strings.Cut(good[strings.Index(good, "AUTH_TOKEN_"):], "=")
	if !found {
		t.Fatalf("no session among the cookies %q", good)
	}
	forged := "__Host-GCP_IAP_" + name + "=" + value[:10] + strings.Map(func(c rune) rune { return 'a' + (c*7)%26 }, value[10:20]) + value[20:]
	for !s.over() {
		for _, header := range [][2]string{
			{"Cookie", ""}, {"Cookie", forged}, {"Cookie", forged[:len(forged)/2]},
			{"X-Goog-Authenticated-User-Email", "accounts.google.com:" + alice},
			{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."},
		} {
			answer := harness.Get(t, harness.Client(nil), s.site.URL(appHost)+"/bytes/10", header[0], header[1], "X-Requested-With", "XMLHttpRequest")
			if answer.StatusCode != http.StatusUnauthorized {
				t.Fatalf("a stranger with %s: %q got %d", header[0], header[1], answer.StatusCode)
			}
			s.checks.Add(1)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
