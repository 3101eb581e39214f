package upstreams

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	small = 100_000 // bytes of /file
	large = 8 << 20 // bytes of /down
)

// pattern is what files consist of: byte n is the remainder of n by 251.
var pattern = func() []byte {
	b := make([]byte, large)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}()

// received is what an application says about a body at /up.
type received struct {
	Length, Coding string // Content-Length and Transfer-Encoding as they came
	Bytes          int
	SHA256         string
}

// application is the one in Go. The ones in other languages answer the same.
type application struct {
	mu         sync.Mutex
	streams    map[string]chan string // events to be sent, by the stream's id
	kept       map[string][]byte
	deliveries map[string]int // how often a POST arrived, by its id
}

// serveApplication runs the application in Go until the process is ended. It speaks HTTP/1.1 or, in the clear, HTTP/2; or, with
// a certificate and its key in the file that is named, HTTP/2 over TLS, and HTTP/1.1 to whoever wants a WebSocket.
func serveApplication(certificate string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a := &application{streams: map[string]chan string{}, kept: map[string][]byte{}, deliveries: map[string]int{}}
	fmt.Fprintln(os.Stdout, "listening on", l.Addr().(*net.TCPAddr).Port)
	server := &http.Server{Handler: a, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	if certificate != "" {
		return server.ServeTLS(l, certificate, certificate)
	}
	return server.Serve(l)
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	answers := map[string]func(http.ResponseWriter, *http.Request){
		"who": who, "up": up, "down": down, "file": file, "kept": a.keep, "unwanted": unwanted, "trailers": trailers, "hints": hints, "gzip": packed,
		"cookies": cookies, "redirect": redirect, "missing": failing(http.StatusNotFound, "not found"), "broken": failing(http.StatusInternalServerError, "broken"), "events": a.events, "push": a.push,
		"socket": socket, "posts": a.posts, "hangs": a.hangs, "deliveries": a.delivered, "trap": a.trap, "dies": dies, "peer": peer,
	}
	if answer := answers[first]; answer != nil {
		answer(w, r)
		return
	}
	http.NotFound(w, r)
}

func who(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(harness.Seen{Method: r.Method, Host: r.Host, Target: r.RequestURI, Header: r.Header})
}

func up(w http.ResponseWriter, r *http.Request) {
	digest := sha256.New()
	n, _ := io.Copy(digest, r.Body) // the number tells
	_ = json.NewEncoder(w).Encode(received{r.Header.Get("Content-Length"), strings.Join(r.TransferEncoding, ","), int(n), hex.EncodeToString(digest.Sum(nil))})
}

func down(w http.ResponseWriter, r *http.Request) {
	if !r.URL.Query().Has("chunked") {
		w.Header().Set("Content-Length", strconv.Itoa(large))
	}
	_, _ = w.Write(pattern)
}

func file(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"first"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(pattern[:small]))
}

func (a *application) keep(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Method == http.MethodPut {
		a.kept[r.URL.Path], _ = io.ReadAll(r.Body) // what is fetched tells
		w.WriteHeader(http.StatusCreated)
		return
	}
	_, _ = w.Write(a.kept[r.URL.Path])
}

// unwanted answers before the body has come.
func unwanted(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "too much", http.StatusRequestEntityTooLarge)
}

func trailers(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Trailer", "X-Checksum")
	_, _ = io.WriteString(w, "the end")
	w.Header().Set("X-Checksum", "7")
}

func hints(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Link", "</style.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	w.Header().Del("Link")
	_, _ = io.WriteString(w, "late")
}

func packed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = io.WriteString(z, packedText)
	_ = z.Close()
}

func cookies(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Set-Cookie"] = setCookies
}

func redirect(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusFound)
}

func failing(status int, what string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Page", "own")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, what+", says the application")
	}
}

// stream returns the events of an id, for who sends and who pushes them.
func (a *application) stream(id string) chan string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.streams[id] == nil {
		a.streams[id] = make(chan string)
	}
	return a.streams[id]
}

func (a *application) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	events := a.stream(r.URL.Query().Get("id"))
	for event, more := "begun", true; more; {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", event)
		_ = http.NewResponseController(w).Flush()
		select {
		case event, more = <-events:
		case <-r.Context().Done():
			return
		}
	}
}

func (a *application) push(w http.ResponseWriter, r *http.Request) {
	events := a.stream(r.URL.Query().Get("id"))
	if r.URL.Query().Has("end") {
		close(events)
	} else {
		events <- r.URL.Query().Get("data")
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *application) deliver(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deliveries[id]++
}

func lastPart(r *http.Request) string { return r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] }

func (a *application) posts(w http.ResponseWriter, r *http.Request) {
	a.deliver(lastPart(r))
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "taken")
}

func (a *application) delivered(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = fmt.Fprint(w, a.deliveries[lastPart(r)])
}

// hangs says nothing, and hangs up.
func (a *application) hangs(_ http.ResponseWriter, r *http.Request) {
	a.deliver(lastPart(r))
	panic(http.ErrAbortHandler)
}

var posted = regexp.MustCompile(`^POST /posts/(\S+)`)

// trap answers, and hangs up as soon as the next request begins to arrive on the same connection.
func (a *application) trap(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetLinger(0) // a reset
	_, _ = buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nset")
	_ = buffered.Flush()
	head := make([]byte, 64<<10)
	n, _ := buffered.Read(head)
	if id := posted.FindSubmatch(head[:n]); id != nil {
		a.deliver(string(id[1]))
	}
}

func dies(w http.ResponseWriter, r *http.Request) {
	if !r.URL.Query().Has("chunked") {
		w.Header().Set("Content-Length", strconv.Itoa(large))
	}
	_, _ = w.Write(pattern[:small])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func peer(w http.ResponseWriter, r *http.Request) {
	_, port, _ := net.SplitHostPort(r.RemoteAddr)
	_, _ = io.WriteString(w, port)
}

// socket sends every frame back in a frame of the same kind, and closes with the code that a message names.
func socket(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = buffered.WriteString(harness.WebSocketAnswer(r))
	space := make([]byte, longestFrame)
	for closed := false; buffered.Flush() == nil && !closed; {
		f, err := harness.ReadFrame(buffered, space)
		if err != nil {
			return // the client has enough
		}
		closed = f.First == closeFrame
		var code uint16
		if _, err := fmt.Sscanf(string(f.Payload), "close %d", &code); err == nil {
			_, _ = buffered.Write(closing(code).Append(nil))
			_ = buffered.Flush()
			_, _ = harness.ReadFrame(buffered, space) // the client's own
			return
		}
		_, _ = buffered.Write(f.Append(nil)) // Flush says whether it could
	}
}
