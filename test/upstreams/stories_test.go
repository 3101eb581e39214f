package upstreams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// What applications answer with.
const (
	packedText = "a page that is packed"
	location   = "../else%2Fwhere?x=%20#there"
)

var setCookies = []string{"a=1; Path=/", "b=2; HttpOnly", "a=3; Path=/deep"}

func identity(t *testing.T, p *place) {
	s := p.seen(t, "/who")
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{p.gate.Audience(t, service(p.kind))}, Keys: p.gate.keys})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verifier.Verify(t.Context(), s.Header.Get(harness.AssertionHeader))
	if err != nil {
		t.Fatal(err)
	}
	email, id := s.Header.Get("X-Goog-Authenticated-User-Email"), s.Header.Get("X-Goog-Authenticated-User-Id")
	if claims.Email != harness.Alice || email != "accounts.google.com:"+harness.Alice || id != claims.Subject {
		t.Errorf("claims of %q, %q; headers %q, %q", claims.Email, claims.Subject, email, id)
	}
	if s.Host != strings.TrimPrefix(p.origin, "http://") {
		t.Errorf("the host is %q", s.Host)
	}
	for _, cookie := range s.Header["Cookie"] {
		if strings.Contains(cookie, "GCP_IAP") {
			t.Errorf("the application is sent the gate's own cookie")
		}
	}
}

func forgedHeaders(t *testing.T, p *place) {
	s := p.seen(t, "/who", "X-Goog-Authenticated-User-Email", "accounts.google.com:mallory", "X-Goog-Authenticated-User-Id", "accounts.google.com:mallory",
		"X-Goog-IAP-JWT-Assertion", "mallory", "X_Goog_IAP_JWT_Assertion", "mallory", "x-goog_authenticated-user_email", "mallory",
		"X-Forwarded-For", "mallory", "Client-Cert", ":bWFsbG9yeQ==:", "X-Unknown", "passes")
	for name, values := range s.Header {
		if all := strings.Join(values, " "); strings.Contains(all, "mallory") || strings.Contains(all, "bWFsbG9yeQ") {
			t.Errorf("the application is told %s: %q", name, values)
		}
	}
	if s.Header.Get("X-Goog-Authenticated-User-Email") != "accounts.google.com:"+harness.Alice || s.Header.Get("X-Unknown") != "passes" {
		t.Errorf("%v", s.Header)
	}
}

func targets(t *testing.T, p *place) {
	for _, target := range []string{"/who/a%2Fb?x=%zz", "/who//a//b", "/who/a;v=1/b?b=1;c=2", "/who/%61%C3%A9?q=a+b&q=&&r", "/who/a:b@c?", "/who/a|b?|^"} {
		r := p.request(t, http.MethodGet, "/", nil)
		path, query, _ := strings.Cut(target, "?")
		r.URL.Opaque, r.URL.RawQuery, r.URL.ForceQuery = path, query, strings.HasSuffix(target, "?")
		if got := p.send(t, http.StatusOK, r).Seen(t).Target; got != target {
			t.Errorf("%s arrives as %s", target, got)
		}
	}
}

func head(t *testing.T, p *place) {
	_, reader := p.write(t, "HEAD /file HTTP/1.1\r\nHost: $HOST\r\nCookie: $COOKIE\r\nConnection: close\r\n\r\n")
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodHead})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(reader)
	if response.StatusCode != http.StatusOK || response.ContentLength != small || len(rest) > 0 || err != nil {
		t.Errorf("%s, length %d, then %q, %v", response.Status, response.ContentLength, rest, err)
	}
}

func ranges(t *testing.T, p *place) {
	answer := p.get(t, http.StatusPartialContent, "/file", "Range", "bytes=70000-70499")
	if answer.Text != string(pattern[70_000:70_500]) || answer.ContentLength != 500 || answer.Header.Get("Content-Range") != "bytes 70000-70499/100000" {
		t.Errorf("%d bytes, %v", len(answer.Text), answer.Header)
	}
}

func notModified(t *testing.T, p *place) {
	first := p.get(t, http.StatusOK, "/file")
	etag := first.Header.Get("ETag")
	if etag == "" || first.Text != string(pattern[:small]) {
		t.Fatalf("ETag %q, %d bytes", etag, len(first.Text))
	}
	if again := p.get(t, http.StatusNotModified, "/file", "If-None-Match", etag); again.Text != "" || again.Header.Get("ETag") != etag {
		t.Errorf("%q, %v", again.Text, again.Header)
	}
}

func put(t *testing.T, p *place) {
	p.send(t, http.StatusCreated, p.request(t, http.MethodPut, "/kept/note", strings.NewReader("to be kept")))
	if got := p.get(t, http.StatusOK, "/kept/note").Text; got != "to be kept" {
		t.Errorf("kept is %q", got)
	}
}

func goesUp(t *testing.T, p *place) {
	inChunks := received{Coding: "chunked"}
	if p.kind == overH2C || p.kind == overTLS {
		inChunks = received{} // HTTP/2 has no chunks, and says nothing in their place
	}
	for _, want := range []received{{Length: fmt.Sprint(large)}, inChunks} {
		r := p.request(t, http.MethodPost, "/up", bytes.NewReader(pattern))
		if want.Length == "" {
			r.ContentLength = -1
		}
		want.Bytes, want.SHA256 = large, digest(pattern)
		var got received
		if err := json.Unmarshal([]byte(p.send(t, http.StatusOK, r).Text), &got); err != nil || got != want {
			t.Errorf("the application got %+v, %v; want %+v", got, err, want)
		}
	}
}

func comesDown(t *testing.T, p *place) {
	whole := p.get(t, http.StatusOK, "/down")
	if digest([]byte(whole.Text)) != digest(pattern) || whole.ContentLength != large || len(whole.TransferEncoding) > 0 {
		t.Errorf("with a length: %d bytes, length %d, %v", len(whole.Text), whole.ContentLength, whole.TransferEncoding)
	}
	chunks := p.get(t, http.StatusOK, "/down?chunked=1")
	if digest([]byte(chunks.Text)) != digest(pattern) || chunks.ContentLength != -1 || !slices.Equal(chunks.TransferEncoding, []string{"chunked"}) {
		t.Errorf("in chunks: %d bytes, length %d, %v", len(chunks.Text), chunks.ContentLength, chunks.TransferEncoding)
	}
}

func expectContinue(t *testing.T, p *place) {
	conn, reader := p.write(t, "POST /up HTTP/1.1\r\nHost: $HOST\r\nCookie: $COOKIE\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if go1, err := http.ReadResponse(reader, nil); err != nil || go1.StatusCode != http.StatusContinue {
		t.Fatalf("before the body: %+v, %v", go1, err)
	}
	_, _ = io.WriteString(conn, "hello") // the answer tells
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got received
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil || got.SHA256 != digest([]byte("hello")) {
		t.Errorf("%s, %+v, %v", response.Status, got, err)
	}
}

func expectRefused(t *testing.T, p *place) {
	_, reader := p.write(t, "POST /unwanted HTTP/1.1\r\nHost: $HOST\r\nCookie: $COOKIE\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%+v, %v", response, err)
	}
}

func trailing(t *testing.T, p *place) {
	answer := p.get(t, http.StatusOK, "/trailers", "TE", "trailers")
	if answer.Text != "the end" || answer.Trailer.Get("X-Checksum") != "7" {
		t.Errorf("%q, then %v", answer.Text, answer.Trailer)
	}
}

func earlyHints(t *testing.T, p *place) {
	var early []string
	r := p.request(t, http.MethodGet, "/hints", nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		early = append(early, fmt.Sprint(status, " ", strings.ToLower(h.Get("Link"))))
		return nil
	}}))
	if answer := p.send(t, http.StatusOK, r); answer.Text != "late" || !slices.Equal(early, []string{"103 </style.css>; rel=preload"}) {
		t.Errorf("first %q, then %q", early, answer.Text)
	}
}

func packedPage(t *testing.T, p *place) {
	answer := p.get(t, http.StatusOK, "/gzip", "Accept-Encoding", "gzip")
	if answer.Header.Get("Content-Encoding") != "gzip" || unpack(t, answer.Text) != packedText {
		t.Errorf("%v, %q", answer.Header, answer.Text)
	}
}

func severalCookies(t *testing.T, p *place) {
	got := slices.DeleteFunc(slices.Clone(p.get(t, http.StatusOK, "/cookies").Header["Set-Cookie"]), func(c string) bool { return strings.Contains(c, "GCP_IAP") })
	if !slices.Equal(got, setCookies) {
		t.Errorf("%q", got)
	}
}

func redirected(t *testing.T, p *place) {
	if got := p.get(t, http.StatusFound, "/redirect").Header.Get("Location"); got != location {
		t.Errorf("Location is %q", got)
	}
}

func errorPages(t *testing.T, p *place) {
	for status, at := range map[int][2]string{404: {"/missing", "not found, says the application"}, 500: {"/broken", "broken, says the application"}} {
		if answer := p.get(t, status, at[0]); answer.Text != at[1] || answer.Header.Get("X-Page") != "own" {
			t.Errorf("%d: %q, %v", status, answer.Text, answer.Header)
		}
	}
}

func oldClient(t *testing.T, p *place) {
	for target, want := range map[string]int{"/file": small, "/down?chunked=1": large} {
		_, reader := p.write(t, "GET "+target+" HTTP/1.0\r\nHost: $HOST\r\nCookie: $COOKIE\r\n\r\n")
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || !bytes.Equal(body, pattern[:want]) || len(response.TransferEncoding) > 0 || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %d bytes, %v, %v", target, response.Status, len(body), response.TransferEncoding, err)
		}
		if _, err := reader.ReadByte(); err != io.EOF {
			t.Errorf("%s: the connection goes on, %v", target, err)
		}
	}
}

func keptAlive(t *testing.T, p *place) {
	ports, connections := map[string]bool{}, 0
	for range 50 {
		r := p.request(t, http.MethodGet, "/peer", nil)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
			if !c.Reused {
				connections++
			}
		}}))
		ports[p.send(t, http.StatusOK, r).Text] = true
	}
	// Stories before this one may have left a connection that has ended meanwhile.
	if connections > 1 || len(ports) > 2 {
		t.Errorf("%d new connections to the gate, and %d to the application", connections, len(ports))
	}
}
