package assertiontest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// newApp is the application under test. It takes its Verifier, so that tests can give it one.
func newApp(verifier *assertion.Verifier) http.Handler {
	return verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := assertion.FromContext(r.Context())
		fmt.Fprintf(w, "Hello %s", claims.Email)
	}))
}

func Example() {
	iap := assertiontest.New(assertiontest.Audience)
	app := newApp(iap.Verifier())

	request := httptest.NewRequest("GET", "/", nil)
	iap.SignIn(request, "alice@example.com")
	response := httptest.NewRecorder()
	app.ServeHTTP(response, request)
	fmt.Println(response.Code, response.Body)
	// Output: 200 Hello alice@example.com
}

// No forged assertion opens the application.
func ExampleIAP_Broken() {
	iap := assertiontest.New(assertiontest.Audience)
	app := newApp(iap.Verifier())

	passed := 0
	for _, fault := range assertiontest.Faults() {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set(assertion.Header, iap.Broken(fault))
		response := httptest.NewRecorder()
		app.ServeHTTP(response, request)
		if response.Code != http.StatusUnauthorized {
			passed++
			fmt.Println(fault, "got", response.Code)
		}
	}
	fmt.Println(passed, "passed")
	// Output: 0 passed
}

// An application that fetches keys gets the address of a server.
func ExampleNewServer() {
	iap := assertiontest.New(assertiontest.Audience)
	server := assertiontest.NewServer(iap)
	defer server.Close()

	response, err := http.Get(server.PEMURL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	fmt.Println(response.Status, response.Header.Get("Cache-Control"))
	// Output: 200 OK public, max-age=3600
}

// Options change what the assertion says.
func ExampleIAP_Mint() {
	iap := assertiontest.New(assertiontest.Audience)
	request := httptest.NewRequest("GET", "/", nil)
	iap.SignIn(request, "alice@example.com",
		assertiontest.Claim("hd", "example.com"),
		assertiontest.AccessLevels("accessPolicies/1/accessLevels/managed"))

	claims, err := iap.Verifier().VerifyRequest(request)
	fmt.Println(claims.HostedDomain, claims.AccessLevels, err)
	// Output: example.com [accessPolicies/1/accessLevels/managed] <nil>
}
