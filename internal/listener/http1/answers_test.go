package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// transcript is what a client sees of an answer: each head, with its fields in order and without the time of Date, the
// body as it was framed and how it ends, the trailers, and whether another request is answered on the connection.
func transcript(t *testing.T, address, method string) string {
	t.Helper()
	c := dial(t, address)
	if _, err := fmt.Fprintf(c, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", method); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	var raw bytes.Buffer
	reader := bufio.NewReader(io.TeeReader(c, &raw))
	for {
		before := raw.Len() - reader.Buffered()
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			fmt.Fprintf(&said, "no answer: %v", err)
			return said.String()
		}
		head, _, _ := strings.Cut(string(raw.Bytes()[before:]), "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		for i, line := range lines {
			if date, found := strings.CutPrefix(line, "Date: "); found {
				if _, err := http.ParseTime(date); err == nil {
					lines[i] = "Date: now"
				}
			}
		}
		slices.Sort(lines[1:])
		fmt.Fprintf(&said, "%s\n", strings.Join(lines, "\n"))
		if response.StatusCode < 200 && response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		if response.StatusCode == http.StatusSwitchingProtocols {
			response.Body = http.NoBody
		}
		body, err := io.ReadAll(response.Body)
		if len(body) > 40 {
			body = fmt.Appendf(nil, "%s and so on, %d bytes", body[:40], len(body))
		}
		fmt.Fprintf(&said, "[%s] %v %v\n", body, err, response.Trailer)
		if err != nil {
			return said.String()
		}
		break
	}
	_, _ = io.WriteString(c, "GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return said.String() + "and then the end"
	}
	again, err := io.ReadAll(response.Body)
	fmt.Fprintf(&said, "and then %s %v", again, err)
	return said.String()
}

func write(sizes ...int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeTo(w, sizes...) }
}

func writeTo(w io.Writer, sizes ...int) {
	for _, size := range sizes {
		_, _ = w.Write(bytes.Repeat([]byte("x"), size))
	}
}

// with answers with fields, a status unless that is 0, and a body.
func with(status int, body string, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(fields); i += 2 {
			w.Header()[fields[i]] = append(w.Header()[fields[i]], fields[i+1])
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		if body != "" {
			_, _ = io.WriteString(w, body)
		}
	}
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// answers are handlers whose answers are net/http's.
var answers = map[string]http.HandlerFunc{
	"nothing":                            func(http.ResponseWriter, *http.Request) {},
	"no bytes":                           write(0),
	"one byte":                           write(1),
	"all that is held back":              write(2048),
	"one byte more":                      write(2049),
	"a byte, and then too many":          write(1, 2048),
	"piece by piece":                     write(700, 700, 700, 700),
	"much":                               write(100 << 10),
	"a little, and much":                 write(10, 100<<10, 1),
	"a status alone":                     with(http.StatusNotFound, ""),
	"a status and a body":                with(http.StatusNotFound, "not here"),
	"a status that nobody knows":         with(999, "x"),
	"a status without a text":            with(299, "x"),
	"a status too low":                   with(99, "x"),
	"a status too high":                  with(1000, "x"),
	"a second status":                    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(200) },
	"no content":                         with(http.StatusNoContent, "", "Content-Length", "3", "Content-Type", "text/plain", "X", "y"),
	"no content, and a body":             with(http.StatusNoContent, "body"),
	"no content, in chunks":              with(http.StatusNoContent, "", "Transfer-Encoding", "chunked"),
	"not modified":                       with(http.StatusNotModified, "", "Content-Length", "3", "Content-Type", "text/plain", "Etag", `"e"`),
	"not modified, and a body":           with(http.StatusNotModified, "body", "Transfer-Encoding", "chunked"),
	"reset content":                      with(http.StatusResetContent, ""),
	"a length":                           with(0, "12345", "Content-Length", "5"),
	"a length and a type":                with(0, "12345", "Content-Length", "5", "Content-Type", "text/plain"),
	"a length of nothing":                with(0, "", "Content-Length", "0"),
	"a length that is too long":          with(0, "123", "Content-Length", "5"),
	"a length and no body":               with(0, "", "Content-Length", "5", "Content-Type", "text/plain"),
	"a length that is too short":         with(0, "1234567", "Content-Length", "5"),
	"a long body with a length":          withLength(100 << 10),
	"a length and chunks":                with(0, "12345", "Content-Length", "5", "Transfer-Encoding", "chunked"),
	"a length and chunks that differ":    with(0, "12345", "Content-Length", "50", "Transfer-Encoding", "chunked"),
	"chunks":                             with(0, "12345", "Transfer-Encoding", "chunked"),
	"chunks without a body":              with(0, "", "Transfer-Encoding", "chunked"),
	"no encoding until the end":          with(0, "12345", "Transfer-Encoding", "identity"),
	"no encoding, with a length":         with(0, "12345", "Transfer-Encoding", "identity", "Content-Length", "5"),
	"a type":                             with(0, "<html>", "Content-Type", "text/plain"),
	"a type that is empty":               with(0, "<html>", "Content-Type", ""),
	"a type that is nil":                 typed(nil),
	"HTML":                               with(0, "<html>"),
	"an image":                           with(0, "\x89PNG\x0d\x0a\x1a\x0a"),
	"HTML that comes in pieces":          pieces("<ht", "ml>", strings.Repeat("x", 3000)),
	"HTML that comes with much":          pieces("<", "html>"+strings.Repeat("x", 3000)),
	"HTML in an encoding":                with(0, "<html>", "Content-Encoding", "gzip"),
	"HTML in an encoding that is empty":  with(0, "<html>", "Content-Encoding", ""),
	"HTML after a flush":                 func(w http.ResponseWriter, _ *http.Request) { flush(w); _, _ = io.WriteString(w, "<html>") },
	"a flush and nothing":                func(w http.ResponseWriter, _ *http.Request) { flush(w) },
	"a flush after the body":             flushed(write(10)),
	"a flush between":                    func(w http.ResponseWriter, _ *http.Request) { writeTo(w, 10); flush(w); writeTo(w, 10, 0, 3000) },
	"a flush of what has a length":       flushed(with(0, "12345", "Content-Length", "5")),
	"a flush of no content":              flushed(with(http.StatusNoContent, "")),
	"a connection that ends":             with(0, "x", "Connection", "close"),
	"a connection that ends with chunks": flushed(with(0, "x", "Connection", "close")),
	"a connection that is kept":          with(0, "x", "Connection", "keep-alive"),
	"a connection with other words":      with(0, "x", "Connection", "x-field"),
	"a date":                             with(0, "x", "Date", "yesterday"),
	"no date":                            func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil },
	"fields that come again":             with(0, "x", "Set-Cookie", "a=1", "Set-Cookie", "b=2", "Vary", "Cookie"),
	"fields in lower case":               with(0, "x", "x-lower", "1"),
	"values of several lines":            with(0, "x", "X", "a\r\nSet-Cookie: b=c", "Y", "a\nb", "Z", "a\r\n\r\n<html>"),
	"values with space around":           with(0, "x", "X", " \t a b\r\n "),
	"names of several lines":             with(0, "x", "X\r\nSet-Cookie", "b=c", "Y: z\r\n\r\n", "1"),
	"names that are none":                with(0, "x", "", "1", "X Y", "2", "X:", "3", "\xe4", "4", "X\x00", "5"),
	"a field after the status":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.Header().Set("X", "late") },
	"a field after the body":             func(w http.ResponseWriter, _ *http.Request) { writeTo(w, 1); w.Header().Set("X", "late") },
	"a length after the status": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.Header().Set("Content-Length", "9")
	},
	"a type after the status": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.Header().Set("Content-Type", "a/b")
		writeTo(w, 3)
	},
	"a field that is taken away": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", "1")
		w.WriteHeader(200)
		w.Header().Del("X")
		writeTo(w, 3)
	},
	"hints":                                hints(103, 103),
	"something goes on, and 404":           hints(102, 404),
	"go on":                                hints(100),
	"trailers":                             trailers("Trailer", "X, y , Content-Length", "X"),
	"a trailer that is announced, no more": with(0, "body", "Trailer", "X"),
	"trailers by prefix":                   trailers("A", "b", http.TrailerPrefix+"X"),
	"trailers by prefix before the status": with(0, "body", http.TrailerPrefix+"X", "1", http.TrailerPrefix+"Y", "a\r\nb: c"),
	"trailers of no content":               with(http.StatusNoContent, "", "Trailer", "X"),
	"trailers and a length":                with(0, "12345", "Trailer", "X", "Content-Length", "5"),
	"trailers with names that are none":    trailers("A", "b", http.TrailerPrefix+"X\r\nY: z\r\n\r\n"),
	"an abort at once":                     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"a fault at once":                      func(http.ResponseWriter, *http.Request) { panic("a fault") },
	"an abort after a little":              aborted(write(10)),
	"an abort after the status":            aborted(with(http.StatusNotFound, "")),
	"an abort after no content":            aborted(with(http.StatusNoContent, "")),
	"an abort after a whole head":          aborted(with(0, "", "Content-Length", "5", "Content-Type", "a/b")),
	"an abort after much":                  aborted(write(100 << 10)),
	"an abort after more than is held":     aborted(write(3000)),
	"an abort after a whole answer":        aborted(with(0, "12345", "Content-Length", "5", "Content-Type", "a/b")),
	"an abort after a flush":               aborted(flushed(write(10))),
	"an abort after a flush with a length": aborted(flushed(with(0, "1", "Content-Length", "5"))),
	"an abort after hints":                 aborted(hints(103, 200)),
	"a deadline that has passed": func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		<-r.Context().Done()
		writeTo(w, 3)
	},
	"what errors writing makes": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3")
		_, err := io.WriteString(w, "1234")
		n, _ := io.WriteString(w, "")
		w.Header().Set("X", fmt.Sprint(err, n))
		_, _ = io.WriteString(w, "123")
	},
	"what can be asked of the writer": func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_, flusher := w.(http.Flusher)
		fmt.Fprint(w, flusher, control.EnableFullDuplex(), control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{}))
	},
	"what is known of the request": func(w http.ResponseWriter, r *http.Request) {
		n, err := r.Body.Read(make([]byte, 1))
		fmt.Fprint(w, r.Method, r.URL, r.Proto, r.ContentLength, r.TransferEncoding, r.Close, r.TLS, r.Header, r.Host, r.RequestURI, r.Trailer, n, err, r.Body.Close())
	},
}

func flushed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { h(w, r); flush(w) }
}

func aborted(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { h(w, r); panic(http.ErrAbortHandler) }
}

func withLength(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(n))
		writeTo(w, n/2, n-n/2)
	}
}

func typed(values []string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = values
		_, _ = io.WriteString(w, "<html>")
	}
}

func pieces(texts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, text := range texts {
			_, _ = io.WriteString(w, text)
		}
	}
}

func hints(statuses ...int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.Header().Set("Content-Length", "4")
		for _, status := range statuses {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, "body")
	}
}

func trailers(name, value, trailer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(name, value)
		writeTo(w, 3000)
		w.Header()[trailer] = []string{"t", "u\r\nv: w"}
		w.Header()["Y"] = []string{"why"}
	}
}

// again is what the connection's next request gets.
func again(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/again" {
			_, _ = io.WriteString(w, "another")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	for name, handler := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := ours(t, again(handler)), theirs(t, again(handler))
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if got, want := transcript(t, here, method), transcript(t, there, method); got != want {
					t.Errorf("%s is answered with\n%s\n\nby net/http with\n%s", method, got, want)
				}
			}
		})
	}
}

// What a client may see of both servers' answers where they are not the same, and why that is wanted.
func TestAnswersDifferFromThoseOfNetHTTPWhereThatIsBetter(t *testing.T) {
	t.Parallel()
	const length, chunked = "\nContent-Length: 5\n", "\nTransfer-Encoding: chunked\n"
	for name, c := range map[string]struct {
		handler     http.HandlerFunc
		method      string
		here, there string // what is in one answer, and not in the other
	}{
		"a length that is empty is none":                {with(0, "12345", "Content-Length", ""), "GET", length, chunked},
		"a length that is empty does not break HEAD":    {with(0, "12345", "Content-Length", ""), "HEAD", length, "no answer"},
		"a length that is a word is none":               {with(0, "12345", "Content-Length", "five"), "GET", length, chunked},
		"a length that is a word does not break HEAD":   {flushed(with(0, "", "Content-Length", "five")), "HEAD", "and then another", "no answer"},
		"a length below nothing does not break HEAD":    {flushed(with(0, "", "Content-Length", "-1")), "HEAD", "and then another", "no answer"},
		"there is one length":                           {with(0, "12345", "Content-Length", "5", "Content-Length", "6"), "GET", length, "no answer"},
		"a length is written as others read it":         {with(0, "12345", "Content-Length", "+5"), "GET", length, "no answer"},
		"there is one encoding, for nobody has encoded": {with(0, "12345", "Transfer-Encoding", "gzip"), "GET", chunked, "no answer"},
		"who has not asked for a switch gets none":      {with(http.StatusSwitchingProtocols, "", "Connection", "Upgrade", "Upgrade", "x"), "GET", "\nConnection: close\n", "\nConnection: Upgrade\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here := transcript(t, ours(t, again(c.handler)), c.method)
			there := transcript(t, theirs(t, again(c.handler)), c.method)
			if !strings.Contains(here, c.here) || strings.Contains(here, c.there) {
				t.Errorf("it is answered with\n%s", here)
			}
			if !strings.Contains(there, c.there) || strings.Contains(there, c.here) {
				t.Errorf("net/http has changed, and answers with\n%s", there)
			}
		})
	}
}
