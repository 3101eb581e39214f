package metadataserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	textType = "application/text"
	jsonType = "application/json"
	htmlType = "text/html; charset=UTF-8"
)

// maxAudience is far more than any audience has.
const maxAudience = 2048

// maxWaiting is how many may wait for a change at once.
const maxWaiting = 256

// ErrNoAccount says that a token is asked for an account that is not there.
var ErrNoAccount = errors.New("no such service account")

// question is what a request asks for besides a path.
type question struct {
	recursive bool
	alt       string // json, text, or empty for what is usual
	wait      bool
	lastETag  string
	timeout   time.Duration // zero for none
	audience  string
	full      bool
}

// readQuestion reads the parameters. One that is there twice, or has a value that it cannot have, is refused: what was
// meant is not guessed. Others are ignored, as at Google.
func readQuestion(raw string) (q question, err error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return q, errors.New("the query cannot be read")
	}
	for name, values := range query {
		if len(values) > 1 && strings.Contains(" recursive alt wait_for_change last_etag timeout_sec audience format licenses ", " "+name+" ") {
			return q, fmt.Errorf("the parameter %s is there more than once", name)
		}
	}
	if q.recursive, err = truth(query, "recursive"); err != nil {
		return q, err
	}
	if q.wait, err = truth(query, "wait_for_change"); err != nil {
		return q, err
	}
	if _, err = truth(query, "licenses"); err != nil {
		return q, err
	}
	if q.alt = query.Get("alt"); q.alt != "" && q.alt != "json" && q.alt != "text" {
		return q, errors.New("alt must be json or text")
	}
	switch strings.ToLower(query.Get("format")) {
	case "", "standard":
	case "full":
		q.full = true
	default:
		return q, errors.New("format must be standard or full")
	}
	q.lastETag, q.audience = query.Get("last_etag"), query.Get("audience")
	if text := query.Get("timeout_sec"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return q, errors.New("timeout_sec must be a number of seconds")
		}
		q.timeout = time.Duration(seconds) * time.Second
	}
	return q, nil
}

func truth(query url.Values, name string) (bool, error) {
	switch strings.ToLower(query.Get(name)) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, fmt.Errorf("%s must be true or false", name)
	}
}

// serve answers a request that may be answered.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q, err := readQuestion(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if r.URL.Path == "/computeMetadata/" {
		write(w, r, textType, []byte("v1/\n"))
		return
	}
	if r.URL.Path == "/computeMetadata" || r.URL.Path+"/" == root {
		moved(w, r)
		return
	}
	path, below := strings.CutPrefix(r.URL.Path, root)
	n := s.current.Load().root.find(path)
	switch {
	case !below || n == nil || strings.Contains(path, "//") || path == "/" || !n.directory() && strings.HasSuffix(path, "/"):
		notFound(w)
	case n.mint == identityToken:
		s.identity(w, r, q)
	case n.mint == accessToken:
		s.access(w, r)
	case n.directory() && path != "" && !strings.HasSuffix(path, "/"):
		moved(w, r)
	case q.wait:
		s.wait(w, r, path, q)
	default:
		contentType, content := n.render(q)
		write(w, r, contentType, content)
	}
}

// render returns a node as it is asked for.
func (n *node) render(q question) (contentType string, content []byte) {
	switch {
	case n.directory() && q.recursive && q.alt == "text":
		return textType, n.appendLines(nil, "")
	case n.directory() && q.recursive:
		return jsonType, encode(n.tree())
	case n.directory() && q.alt == "json":
		return jsonType, encode(n.listing())
	case n.directory():
		for _, name := range n.listing() {
			content = append(append(content, name...), '\n')
		}
		return textType, content
	case q.alt == "json":
		return jsonType, encode(n.json)
	default:
		return textType, []byte(n.text)
	}
}

func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // nobody's page shows it, and the text is that of the value
	_ = encoder.Encode(v)        // only of our own types, which encode
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// wait answers once a value is another one than the client knows, or time is up, or we end: each with the value as
// it is then.
func (s *Server) wait(w http.ResponseWriter, r *http.Request, path string, q question) {
	if s.waiting.Add(1) > maxWaiting {
		s.waiting.Add(-1)
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "too many wait for changes already")
		return
	}
	defer s.waiting.Add(-1)
	// The deadline for reading a request would end the wait.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	var timeout <-chan time.Time
	if q.timeout > 0 {
		timer := time.NewTimer(q.timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	known := q.lastETag
	for over := false; ; {
		current := s.current.Load()
		n := current.root.find(path)
		if n == nil {
			notFound(w) // it was taken away
			return
		}
		contentType, content := n.render(q)
		if known == "" {
			known = etag(content)
		}
		if over || known != etag(content) {
			write(w, r, contentType, content)
			return
		}
		select {
		case <-current.changed:
		case <-timeout:
			over = true
		case <-s.done:
			over = true
		case <-r.Context().Done():
			return
		}
	}
}

// identity answers with an ID token of the service account.
func (s *Server) identity(w http.ResponseWriter, r *http.Request, q question) {
	switch {
	case q.audience == "":
		refuse(w, http.StatusBadRequest, "non-empty audience parameter required")
		return
	case len(q.audience) > maxAudience:
		refuse(w, http.StatusBadRequest, "the audience is too long")
		return
	}
	token, err := s.options.Minter.IdentityToken(r.Context(), IdentityRequest{Email: s.options.Account.Email, Audience: q.audience, Machine: q.full})
	if err != nil {
		noToken(w, err)
		return
	}
	write(w, r, textType, []byte(token))
}

// access answers with an access token of the service account.
func (s *Server) access(w http.ResponseWriter, r *http.Request) {
	token, expires, err := s.options.Minter.AccessToken(r.Context(), s.options.Account.Email)
	if err != nil {
		noToken(w, err)
		return
	}
	write(w, r, jsonType, encode(struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}{token, int64(expires.Sub(s.options.Now()) / time.Second), "Bearer"}))
}

// noToken says nothing of why but that the account is gone: whoever mints has logged it.
func noToken(w http.ResponseWriter, err error) {
	if errors.Is(err, ErrNoAccount) {
		notFound(w)
		return
	}
	refuse(w, http.StatusServiceUnavailable, "the token could not be made")
}

func etag(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

func write(w http.ResponseWriter, r *http.Request, contentType string, content []byte) {
	header := w.Header()
	header.Set("ETag", etag(content))
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(content)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(content) // a client that is gone needs no answer
	}
}

// moved sends to a directory's own address, which ends in a slash.
func moved(w http.ResponseWriter, r *http.Request) {
	target := r.URL.EscapedPath() + "/"
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", target)
	w.Header().Set("Content-Type", htmlType)
	w.WriteHeader(http.StatusMovedPermanently)
}

func notFound(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, "The requested URL was not found on this server.")
}

// refuse answers in the form of Google's error pages. Nothing of the request is repeated in them.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", htmlType)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Error %d (%s)</title>\n<p><b>%d.</b> %s\n",
		status, http.StatusText(status), status, html.EscapeString(text))
}
