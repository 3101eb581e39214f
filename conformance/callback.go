package conformance

import (
	"context"
	"encoding/pem"
	"net"
	"net/http"
	"sync"
	"time"
)

// callback is where tokens say that their keys are to be fetched. Whoever asks there has been fooled.
type callback struct {
	base   string // origin
	server *http.Server

	mu      sync.Mutex
	serves  map[string][]byte // by path
	fetched map[string]bool
	told    time.Time     // when the last path was given away
	first   chan struct{} // closed when the first path has been fetched
	forger  *forger
	now     func() time.Time
}

func startCallback(address string, f *forger, now func() time.Time) (*callback, error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &callback{
		base: "http://" + listener.Addr().String(), serves: map[string][]byte{}, fetched: map[string]bool{}, first: make(chan struct{}), forger: f, now: now,
	}
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = c.server.Serve(listener) }() // ends when the server is closed
	return c, nil
}

func (c *callback) close() { _ = c.server.Close() }

// path returns one that serves the forger's key in the form that the header parameter promises.
func (c *callback) path(parameter, kid string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	path := "/" + parameter + "/" + encode([]byte(kid)) + "/keys.json"
	c.told = time.Now()
	if parameter == "x5u" {
		c.serves[path] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.forger.certificate(c.now())})
	} else {
		c.serves[path] = marshal(object{"keys": []any{c.forger.jwk(kid)}})
	}
	return path
}

func (c *callback) wasFetched(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetched[path]
}

// await returns once something has been fetched, or when patience has passed since the last path was given away:
// applications may answer first and fetch in the background.
func (c *callback) await(ctx context.Context, patience time.Duration) {
	c.mu.Lock()
	told := c.told
	c.mu.Unlock()
	if told.IsZero() {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, told.Add(patience))
	defer cancel()
	select {
	case <-c.first:
	case <-ctx.Done():
	}
}

// ServeHTTP implements http.Handler.
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	body, found := c.serves[r.URL.Path]
	if found {
		if len(c.fetched) == 0 {
			close(c.first)
		}
		c.fetched[r.URL.Path] = true
	}
	c.mu.Unlock()
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the application is gone
}
