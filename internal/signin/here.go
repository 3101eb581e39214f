package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Here is a sign-in that ends at a page of the auth host itself.
type Here struct {
	// Target is path and query of the page. It is our own: whoever gives it has checked every part of it.
	Target string
	// App is what people call what they sign in for.
	App string
	// Email is a hint whom to sign in.
	Email string
	// Choose asks which account to use, Login asks for the proof again.
	Choose, Login bool
}

// SignInHere lets somebody sign in, or choose or confirm the account, and go on to a page of the auth host. No redirect
// token is made: the session that the page asks for is the auth host's own.
func (s *SignIn) SignInHere(w http.ResponseWriter, r *http.Request, here Here) {
	a := attempt{
		ID: newAttemptID(), Browser: make([]byte, sha256.Size), Host: s.AuthHost, App: here.App, Target: here.Target,
		Issued: s.Now().Unix(), Hint: here.Email, Here: true,
	}
	rand.Read(a.Browser) // never fails (crypto/rand); nobody knows what it is a hash of
	prompt := ""
	switch {
	case here.Login:
		prompt = promptLogin
	case here.Choose:
		prompt = promptChoose
	}
	s.proceed(w, r, a, prompt)
}

// Present returns the live session of a browser at the auth host, if its account may still be used. Its error says that
// this could not be found out.
func (s *SignIn) Present(r *http.Request) (session.Record, bool, error) { return s.present(r) }

// Unavailable answers when the store fails.
func (s *SignIn) Unavailable(w http.ResponseWriter, r *http.Request, cause error) {
	s.unavailable(w, r, cause)
}

// leads reports whether an attempt still leads somewhere.
func (s *SignIn) leads(a attempt) bool {
	if a.Here {
		return a.Host == s.AuthHost
	}
	return s.Serves(a.Host, a.Resource)
}
