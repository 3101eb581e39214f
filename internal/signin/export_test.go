package signin

import "net/http"

// What the tests of this package see beside its API.

// Target is target.
func Target(r *http.Request) string { return target(r) }

// StateApp opens a state and says which application and address it carries.
func (s *SignIn) StateApp(state string) (host, target string, err error) {
	a, err := s.open(state)
	return a.Host, a.Target, err
}

// MaxTarget is a bound that tests hold the package to.
const MaxTarget = maxTarget
