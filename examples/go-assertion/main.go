// Command go-assertion greets whoever Identity-Aware Proxy has let in: wherever it runs, with the assertion package.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

func main() {
	audience, err := assertion.DiscoverAudience(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{audience}})
	if err != nil {
		log.Fatal(err)
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, verifier.Handler(http.HandlerFunc(hello))))
}

// hello is reached by nobody without a good assertion.
func hello(w http.ResponseWriter, r *http.Request) {
	claims, _ := assertion.FromContext(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "Hello", claims.Email)
}
