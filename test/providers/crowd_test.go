package providers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// The crowd: all of them at once, 50 sign-ins of each after the other, from nothing each time. The provider is our own,
// in this process; at npm's oidc-provider, which needs most of the two cores for itself, fewer sign in, once each.
const (
	people   = 200
	signIns  = 50
	realOnes = 100
)

// inACrowd is how long one request may take: the store brings every sign-in to the disk, one after the other, and how
// long that takes is the disk's to say. What is tested is who sees what.
const inACrowd = 2 * time.Minute

// hinted is a provider at which whoever is named by login_hint is signed in, without a question.
func hinted(t *testing.T) *oidctest.Provider {
	t.Helper()
	p := oidctest.New(t, clientID)
	p.SignedIn("nobody", "nobody@corp.example") // the claims of each answer are set below
	var byNonce sync.Map
	p.Bend(oidctest.Bends{
		Serve: func(_ http.ResponseWriter, r *http.Request) bool {
			if query := r.URL.Query(); r.URL.Path == "/authorize" {
				byNonce.Store(query.Get("nonce"), query.Get("login_hint"))
			}
			return false
		},
		Claims: func(claims map[string]any) {
			email, _ := byNonce.LoadAndDelete(claims["nonce"])
			claims["sub"], claims["email"] = fmt.Sprintf("subject of %v", email), email
		},
	})
	return p
}

func TestACrowdThatSignsInAtTheSameMomentSeesOnlyThemselves(t *testing.T) {
	site, app := harness.NewSite(t), harness.StartHello(t)
	p := hinted(t)
	site.Init(t, "--host="+appHost, "--upstream="+app.URL, "--issuer="+p.Issuer)
	site.Write(t, "client-secret", p.ClientSecret)
	// A second provider makes the gate ask for the address, and pass it on as a hint.
	other := strings.NewReplacer("ISSUER", "https://login.partner.example", "partner-secret", "client-secret").Replace(manifest)
	site.Write(t, "apps.yaml", site.Read(t, "apps.yaml")+"\n---"+other)
	serve(t, site, app)

	began := time.Now()
	var greeted atomic.Int64
	crowd(people, func(i int) {
		email := fmt.Sprintf("person-%d@corp.example", i)
		connections := harness.Connections()
		defer connections.CloseIdleConnections()
		for range signIns {
			visitor := harness.NewVisitorOver(t, connections)
			visitor.Client().Timeout = inACrowd
			form := visitor.Open(site.URL(appHost) + "/")
			if wantHello(t, visitor.Send(form, "email", email), email) && wantHello(t, visitor.Open(site.URL(appHost)+"/"), email) {
				greeted.Add(1)
			}
		}
	})
	t.Logf("%d people signed in %d times each in %v", people, signIns, time.Since(began))
	if n := greeted.Load(); n != people*signIns {
		t.Errorf("%d of %d sign-ins ended with the right greeting", n, people*signIns)
	}
	if n := p.Calls("/token"); n != people*signIns {
		t.Errorf("the provider redeemed %d codes for %d sign-ins", n, people*signIns)
	}
}

func TestACrowdAtARealProviderSeesOnlyThemselves(t *testing.T) {
	site, _, app := atPartner(t)
	serve(t, site, app)
	began := time.Now()
	crowd(realOnes, func(i int) {
		email := fmt.Sprintf("person-%d@partner.example", i)
		visitor := harness.NewVisitor(t)
		form := visitor.Open(site.URL(appHost) + "/")
		wantHello(t, visitor.Send(form, "login", email, "password", harness.NodePassword), email)
		wantHello(t, visitor.Open(site.URL(appHost)+"/"), email)
	})
	t.Logf("%d people signed in in %v", realOnes, time.Since(began))
}

// crowd runs something for a number of people at once.
func crowd(number int, each func(i int)) {
	var together sync.WaitGroup
	gun := make(chan struct{})
	for i := range number {
		together.Go(func() {
			<-gun
			each(i)
		})
	}
	close(gun)
	together.Wait()
}

// wantHello wants the application to greet somebody, and nobody else.
func wantHello(t *testing.T, answer harness.Answer, email string) bool {
	t.Helper()
	greeted := answer.StatusCode == http.StatusOK && strings.Contains(answer.Text, "<h1>Hello "+email+"</h1>")
	if !greeted {
		t.Errorf("%s sees status %d at %s:\n%s", email, answer.StatusCode, (&url.URL{Host: answer.Request.URL.Host, Path: answer.Request.URL.Path}), answer.Text)
	}
	return greeted
}
