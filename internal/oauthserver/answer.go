package oauthserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// The error codes of RFC 6749 (sections 4.1.2.1 and 5.2), OpenID Connect and RFC 7009.
const (
	errInvalidRequest   = "invalid_request"
	errInvalidClient    = "invalid_client"
	errInvalidGrant     = "invalid_grant"
	errInvalidScope     = "invalid_scope"
	errInvalidToken     = "invalid_token"
	errUnsupportedGrant = "unsupported_grant_type"
	errUnsupportedType  = "unsupported_response_type"
	errUnsupportedToken = "unsupported_token_type"
	errAccessDenied     = "access_denied"
	errLoginRequired    = "login_required"
	errConsentRequired  = "consent_required"
	errServer           = "server_error"
	errUnavailable      = "temporarily_unavailable"
	errRateLimit        = "rate_limit_exceeded" // Google's; RFC 6749 has none
)

// fault is an error that is answered as RFC 6749 has it. Its text is for whoever asks.
type fault struct {
	status int
	code   string
	text   string
}

func (f *fault) Error() string { return f.code + ": " + f.text }

func invalid(code, text string) *fault { return &fault{http.StatusBadRequest, code, text} }

// writeJSON answers a program. Nothing of it is kept by anybody.
func writeJSON(w http.ResponseWriter, status int, v any) {
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache") // RFC 6749, 5.1
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // a client that is gone needs no answer
}

// writeFault answers with an error. What is nobody's fault is in the log only.
func (s *Server) writeFault(w http.ResponseWriter, r *http.Request, err error) {
	var f *fault
	if !errors.As(err, &f) {
		s.Log.ErrorContext(r.Context(), "a token could not be given", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "5")
		f = &fault{http.StatusServiceUnavailable, errUnavailable, "try again in a few seconds; the server's log has the cause"}
	} else {
		s.Log.InfoContext(r.Context(), "no token was given", "path", r.URL.Path, "code", f.code, "cause", f.text, "peer", s.ClientAddr(r))
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+s.URL+`"`)
	}
	writeJSON(w, f.status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{f.code, f.text})
}

// form reads the body of a POST: the endpoints take nothing else, and no parameter twice (RFC 6749, 3.2). What stands in
// the address is not looked at: addresses are logged.
func (s *Server) form(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &fault{http.StatusMethodNotAllowed, errInvalidRequest, "use POST with a form"}
	}
	if wait := s.limit.take(s.ClientAddr(r), 1, s.Now()); wait > 0 {
		return nil, tooMany(w, wait)
	}
	const maxForm = 64 << 10
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if kind := mediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return nil, &fault{http.StatusUnsupportedMediaType, errInvalidRequest, "the body must be application/x-www-form-urlencoded"}
	}
	if err := r.ParseForm(); err != nil {
		return nil, invalid(errInvalidRequest, "the body is not a form of at most 64 KiB")
	}
	form := make(map[string]string, len(r.PostForm))
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, invalid(errInvalidRequest, "a parameter is given more than once: "+strconv.QuoteToASCII(shortened(name)))
		}
		form[name] = values[0]
	}
	return form, nil
}

func shortened(s string) string { return s[:min(len(s), 60)] }
