package reverseproxy

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
)

// cleanResponse keeps the application from speaking as the gate: our cookies and X-Goog-IAP-* headers are ours,
// in the header and in trailers.
func cleanResponse(response *http.Response) error {
	cleanAnswer(response.Header)
	cleanAnswer(response.Trailer) // those that were announced
	// HTTP/1.1 has trailers where it has no length. HTTP/2 has them anywhere, and announces them nowhere.
	if (response.ContentLength < 0 || response.ProtoMajor >= 2) && response.StatusCode != http.StatusSwitchingProtocols {
		response.Body = &answerBody{ReadCloser: response.Body, response: response}
	}
	return nil
}

// cleanAnswer removes what only the gate may say to a client.
func cleanAnswer(h http.Header) {
	for name := range h {
		if foldedHasPrefix(name, "x_goog_iap_") {
			delete(h, name)
		}
	}
	cookies, found := h["Set-Cookie"]
	if !found {
		return
	}
	kept := cookies[:0:0]
	for _, cookie := range cookies {
		if !setsOurCookie(cookie) {
			kept = append(kept, cookie)
		}
	}
	if len(kept) == 0 && cookies != nil { // nil announces a trailer that is yet to come
		delete(h, "Set-Cookie")
	} else {
		h["Set-Cookie"] = kept
	}
}

// setsOurCookie reports whether a browser would send what a Set-Cookie line sets under one of our names. One that
// starts with = has no name, and is sent as its value alone: that is where the name would stand.
func setsOurCookie(line string) bool {
	line = strings.TrimLeft(line, "= \t")
	name, _, _ := strings.Cut(line, "=")
	return isOurCookie(strings.TrimSpace(name))
}

// answerBody cleans the trailers of a response, which are there once its body has been read.
type answerBody struct {
	io.ReadCloser
	response *http.Response
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		cleanAnswer(b.response.Trailer)
	}
	return n, err
}

// hints cleans informational responses. ReverseProxy passes them on from a trace of its own making; this is the
// one place from which their headers can be seen before.
type hints struct{ next http.RoundTripper }

func (t hints) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.Got1xxResponse != nil {
		pass := trace.Got1xxResponse
		trace.Got1xxResponse = func(code int, header textproto.MIMEHeader) error {
			cleanAnswer(http.Header(header))
			return pass(code, header)
		}
	}
	return t.next.RoundTrip(r)
}
