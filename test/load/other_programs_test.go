package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// The test's own binary is also the application and the bare proxy, each in a process of its own.
const (
	roleVariable = "LOAD_TEST_ROLE"
	roleApp      = "application"
	roleProxy    = "reverseproxy"
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case roleApp:
		err = serveApplication(os.Getenv("LISTEN"))
	case roleProxy:
		err = serveBareProxy()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveApplication answers /bytes/N with N bytes, /hold/MS after that time, /post with the length of what it was
// sent, and speaks WebSocket at /echo. It says who it was told is asking.
func serveApplication(address string) error {
	mux := http.NewServeMux()
	filler := []byte(strings.Repeat("0123456789abcdef", 1<<16))
	tell := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Email", r.Header.Get("X-Goog-Authenticated-User-Email"))
	}
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n > len(filler) {
			http.Error(w, "too much", http.StatusBadRequest)
			return
		}
		tell(w, r)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = w.Write(filler[:n]) // the client may be gone
	})
	mux.HandleFunc("/hold/{ms}", func(w http.ResponseWriter, r *http.Request) {
		ms, err := strconv.Atoi(r.PathValue("ms"))
		if err != nil {
			http.Error(w, "not a number", http.StatusBadRequest)
			return
		}
		tell(w, r)
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /post", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		tell(w, r)
		fmt.Fprint(w, n)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { harness.EchoWebSocket(w, r) })
	verified, err := verifiedAnswer(tell)
	if err != nil {
		return err
	}
	mux.HandleFunc("/verified", verified)
	return serveUntilTerminated(&http.Server{Addr: address, Handler: mux})
}

// verifiedAnswer is a page that trusts the assertion alone.
func verifiedAnswer(tell http.HandlerFunc) (http.HandlerFunc, error) {
	keysURL, audience := os.Getenv("KEYS_URL"), os.Getenv("AUDIENCE")
	if keysURL == "" {
		return http.NotFound, nil
	}
	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: keysURL, Client: &http.Client{Transport: harness.Connections()}})
	if err != nil {
		return nil, err
	}
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{audience}, Keys: keys})
	if err != nil {
		return nil, err
	}
	return verifier.Handler(tell).ServeHTTP, nil
}

// serveUntilTerminated finishes what it has begun when it is told to end, unless clients take for ever.
func serveUntilTerminated(server *http.Server) error {
	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	finished := make(chan error, 1)
	go func() {
		<-terminated.Done()
		patience, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(patience) != nil {
			_ = server.Close()
		}
		finished <- nil
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return <-finished
}

// serveBareProxy is what a Go programmer writes who knows net/http: buffers are lent, connections are kept. It asks
// nobody who they are.
func serveBareProxy() error {
	app, err := url.Parse(os.Getenv("UPSTREAM"))
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(app)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 256, DisableCompression: true,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		},
		BufferPool: lent{&sync.Pool{New: func() any { return make([]byte, 32<<10) }}},
	}
	failed := make(chan error, 2)
	go func() { failed <- http.ListenAndServe(os.Getenv("LISTEN"), proxy) }()
	go func() {
		failed <- http.ListenAndServeTLS(os.Getenv("LISTEN_TLS"), os.Getenv("CERTIFICATE"), os.Getenv("KEY"), proxy)
	}()
	return <-failed
}

type lent struct{ pool *sync.Pool }

func (l lent) Get() []byte { return l.pool.Get().([]byte) }

//lint:ignore SA6002 the slice header is what everybody pays
func (l lent) Put(b []byte) { l.pool.Put(b) }
