package reverseproxy

import "net/http"

// FailureFunc is a Failure.
type FailureFunc func(w http.ResponseWriter, r *http.Request, status int)

// Failed implements Failure.
func (f FailureFunc) Failed(w http.ResponseWriter, r *http.Request, status int) { f(w, r, status) }
