// Command go-idtoken greets whoever Identity-Aware Proxy has let in: a backend service with Google's idtoken package.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"google.golang.org/api/idtoken"
)

const (
	issuer = "https://cloud.google.com/iap"
	skew   = 30 * time.Second // by which clocks may differ
)

func main() {
	audience := flag.String("audience", "", "the audience that IAP shows for the backend service")
	flag.Parse()
	if *audience == "" {
		log.Fatal("-audience is missing: without it, assertions for any other app would open this one")
	}
	validator, err := idtoken.NewValidator(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, &app{validator, *audience}))
}

type app struct {
	validator *idtoken.Validator
	audience  string
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	email, err := a.email(r)
	if err != nil {
		log.Print("refused: ", err)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintln(w, "Who are you? Come in through Identity-Aware Proxy.")
		return
	}
	fmt.Fprintln(w, "Hello", email)
}

// email is whom a good assertion names. What idtoken does not look at is looked at here.
func (a *app) email(r *http.Request) (string, error) {
	assertions := r.Header.Values("X-Goog-IAP-JWT-Assertion") // Get would return the first of several
	if len(assertions) != 1 {
		return "", fmt.Errorf("there are %d assertions", len(assertions))
	}
	if err := checkForm(assertions[0]); err != nil {
		return "", err
	}
	payload, err := a.validator.Validate(r.Context(), assertions[0], a.audience)
	if err != nil {
		return "", err
	}
	issued, expires, now := time.Unix(payload.IssuedAt, 0), time.Unix(payload.Expires, 0), time.Now()
	switch {
	case payload.Issuer != issuer:
		return "", fmt.Errorf("the issuer is %q", payload.Issuer)
	case issued.After(now.Add(skew)):
		return "", errors.New("it is of the future")
	case expires.Sub(issued) > 10*time.Minute+2*skew: // without iat, this is more than fifty years
		return "", errors.New("it lives longer than IAP lets it")
	}
	email, _ := payload.Claims["email"].(string)
	if payload.Subject == "" || email == "" {
		return "", errors.New("it is about nobody")
	}
	return email, nil
}

// spelling is the one that IAP uses: base64 can spell the same bytes in several ways.
var spelling = regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]$`)

// checkForm refuses what only looks like an assertion of IAP's.
func checkForm(assertion string) error {
	if !spelling.MatchString(assertion) {
		return errors.New("it is no assertion")
	}
	first, _, _ := strings.Cut(assertion, ".")
	content, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return err
	}
	var header map[string]any
	if err := json.Unmarshal(content, &header); err != nil {
		return err
	}
	if header["alg"] != "ES256" || header["typ"] != "JWT" {
		return errors.New("it is a token of another kind")
	}
	for _, name := range []string{"jwk", "jku", "x5c", "x5u", "crit"} {
		if _, found := header[name]; found {
			return fmt.Errorf("its header has %s", name)
		}
	}
	return nil
}
