package reverseproxy

import (
	"net/http"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// headerSignIn tells a page that gets a 401 where its person can sign in.
const headerSignIn = "X-Gatehouse-Sign-In"

// exposed are the headers of ours that a page of another origin may read.
const exposed = headerSignIn + ", X-Goog-IAP-Generated-Response"

// allowOrigin lets a page of one of the service's corsOrigins read an answer of the gate's own. The origin is compared
// as a whole and given back as the service spells it; what applications answer is theirs to open.
func allowOrigin(answer, asked http.Header, served *snapshot.Served) {
	if served == nil || len(served.Service.CORSOrigins) == 0 {
		return
	}
	answer.Add("Vary", "Origin")
	origins := asked["Origin"]
	if len(origins) != 1 {
		return
	}
	if i := slices.Index(served.Service.CORSOrigins, origins[0]); i >= 0 {
		answer.Set("Access-Control-Allow-Origin", served.Service.CORSOrigins[i])
		answer.Set("Access-Control-Allow-Credentials", "true")
		answer.Set("Access-Control-Expose-Headers", exposed)
	}
}

// preflightSeconds is how long a browser may keep the answer to a preflight: an origin that is taken off the list is
// out soon.
const preflightSeconds = "60"

// allowPreflight answers a preflight of one of corsOrigins. Whoever is listed may ask for everything; what it may
// read of the answer, and what the request does, is for the application to say, and for the decision on that request.
func allowPreflight(w http.ResponseWriter, asked http.Header) {
	h := w.Header()
	pages.Headers(h)
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", asked.Get("Access-Control-Request-Method"))
	if names := asked["Access-Control-Request-Headers"]; len(names) > 0 {
		h["Access-Control-Allow-Headers"] = names
	}
	h.Set("Access-Control-Max-Age", preflightSeconds)
	w.WriteHeader(http.StatusNoContent)
}
