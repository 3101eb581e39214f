package assertion_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// The handler sees only requests of people who are known. A stand-in for IAP signs them in here; in production,
// leave Keys out.
func Example() {
	iap := assertiontest.New(assertion.AppEngineAudience(123456789012, "dev-project"))

	verifier, err := assertion.NewVerifier(assertion.Config{
		Audiences: []string{"/projects/123456789012/apps/dev-project"},
		Keys:      iap,
	})
	if err != nil {
		log.Fatal(err)
	}
	app := verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := assertion.FromContext(r.Context())
		fmt.Fprintf(w, "Hello %s", claims.Email)
	}))

	request := httptest.NewRequest("GET", "/", nil)
	iap.SignIn(request, "alice@example.com")
	response := httptest.NewRecorder()
	app.ServeHTTP(response, request)
	fmt.Println(response.Code, response.Body)

	forged := httptest.NewRequest("GET", "/", nil)
	forged.Header.Set("X-Goog-Authenticated-User-Email", "accounts.google.com:admin@example.com")
	response = httptest.NewRecorder()
	app.ServeHTTP(response, forged)
	fmt.Println(response.Code, response.Body)
	// Output:
	// 200 Hello alice@example.com
	// 401 the request carries no IAP assertion: it did not come through Identity-Aware Proxy
}

func ExampleMiddleware() {
	iap := assertiontest.New(assertiontest.Audience)
	app := assertion.Middleware{
		Verifier:    iap.Verifier(),
		HealthPaths: []string{"/healthz"},
		OnRefusal: func(r *http.Request, err error) {
			var refusal *assertion.Error
			if errors.As(err, &refusal) {
				fmt.Println("refused:", string(refusal.Reason)) // a metric's label
			}
		},
	}.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if claims, ok := assertion.FromContext(r.Context()); ok {
			fmt.Fprintln(w, "Hello", claims.Email)
			return
		}
		fmt.Fprintln(w, "healthy")
	}))

	for _, path := range []string{"/healthz", "/admin"} {
		response := httptest.NewRecorder()
		app.ServeHTTP(response, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, response.Code)
	}
	// Output:
	// /healthz 200
	// refused: missing
	// /admin 401
}

func ExampleVerifier_Verify() {
	iap := assertiontest.New(assertiontest.Audience)
	verifier := iap.Verifier()

	_, err := verifier.Verify(context.Background(), iap.Broken(assertiontest.PastExpiration))
	fmt.Println(errors.Is(err, assertion.ErrExpired))

	claims, err := verifier.Verify(context.Background(), iap.Mint("alice@example.com", assertiontest.Claim("hd", "example.com")))
	fmt.Println(claims.Email, claims.HostedDomain, err)
	// Output:
	// true
	// alice@example.com example.com <nil>
}

// A Gatehouse publishes its keys on its auth host, at the paths that Google uses.
func ExampleNewRemoteKeySet() {
	iap := assertiontest.New(assertiontest.Audience)
	authHost := assertiontest.NewServer(iap)
	defer authHost.Close()

	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: authHost.JWKURL})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{assertiontest.Audience}, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	claims, err := verifier.Verify(context.Background(), iap.Mint("alice@example.com"))
	fmt.Println(claims.Email, err)
	// Output: alice@example.com <nil>
}

func ExampleDiscovery() {
	discovery := assertion.Discovery{Getenv: func(name string) string {
		return map[string]string{"IAP_AUDIENCE": "/projects/123456789012/apps/dev-project"}[name]
	}}
	fmt.Println(discovery.Audience(context.Background()))
	// Output: /projects/123456789012/apps/dev-project <nil>
}

func ExampleParseAudience() {
	audience, err := assertion.ParseAudience("/projects/123456789012/locations/us-east4/services/app")
	fmt.Println(audience.ProjectNumber, audience.Region, audience.CloudRunService, err)
	fmt.Println(assertion.BackendServiceAudience(123456789012, 1234567890123456789))
	// Output:
	// 123456789012 us-east4 app <nil>
	// /projects/123456789012/global/backendServices/1234567890123456789
}
