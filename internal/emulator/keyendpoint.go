package emulator

import (
	"net/http"
	"sync/atomic"
	"time"
)

// keyEndpoint stands before the publication of keys and does what a test wants to see its app survive.
type keyEndpoint struct{ current atomic.Pointer[faulty] }

// fault is what is wrong with the endpoint: nothing, when it is zero.
type fault struct {
	Status int           // of the answer; 0 for the keys
	Delay  time.Duration // before it
}

// faulty is a fault and the channel that is closed once there is another.
type faulty struct {
	fault
	over chan struct{}
}

func newKeyEndpoint() *keyEndpoint {
	k := &keyEndpoint{}
	k.current.Store(&faulty{over: make(chan struct{})})
	return k
}

// set changes what is wrong. Who waits because of the fault before is answered.
func (k *keyEndpoint) set(f fault) {
	close(k.current.Swap(&faulty{f, make(chan struct{})}).over)
}

// wrap puts the endpoint before a handler.
func (k *keyEndpoint) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := k.current.Load()
		if f.Delay > 0 {
			timer := time.NewTimer(f.Delay)
			defer timer.Stop()
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // which would end the wait
			select {
			case <-timer.C:
			case <-f.over:
			case <-r.Context().Done():
				return
			}
		}
		if f.Status != 0 {
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "gatehouse dev was told to answer so (DELETE /emulator/v1/key-endpoint ends it)", f.Status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// keyFault is the body about the endpoint.
type keyFault struct {
	Status int    `json:"status"`
	Delay  string `json:"delay"`
}

func (f fault) body() keyFault { return keyFault{f.Status, f.Delay.String()} }

func (c *control) getKeyEndpoint(http.ResponseWriter, *http.Request) (any, error) {
	return c.keys.current.Load().body(), nil
}

func (c *control) setKeyEndpoint(w http.ResponseWriter, r *http.Request) (any, error) {
	var wanted keyFault
	if err := readJSON(w, r, &wanted); err != nil {
		return nil, err
	}
	next := fault{Status: wanted.Status}
	if wanted.Delay != "" {
		delay, err := time.ParseDuration(wanted.Delay)
		if err != nil || delay < 0 || delay > time.Hour {
			return nil, refuse(http.StatusBadRequest, `the delay %q must be a duration up to an hour, such as "2s"`, wanted.Delay)
		}
		next.Delay = delay
	}
	if next.Status != 0 && (next.Status < 400 || next.Status > 599) {
		return nil, refuse(http.StatusBadRequest, "the status %d must be one of an error, 400 to 599; 0 answers with the keys", next.Status)
	}
	c.keys.set(next)
	return next.body(), nil
}

func (c *control) mendKeyEndpoint(http.ResponseWriter, *http.Request) (any, error) {
	c.keys.set(fault{})
	return fault{}.body(), nil
}

// rotateKeys makes another key that signs from now on. With "revoke", verifiers that keep copies see the key before
// vanish.
func (c *control) rotateKeys(w http.ResponseWriter, r *http.Request) (any, error) {
	var wanted struct {
		Revoke bool `json:"revoke"`
	}
	if err := readJSON(w, r, &wanted); err != nil {
		return nil, err
	}
	kid, replaced, err := c.admin.RotateAssertionKey(r.Context(), c.actor(), wanted.Revoke)
	if err != nil {
		return nil, err
	}
	return struct {
		KeyID    string   `json:"key_id"`
		Replaced []string `json:"replaced"`
	}{kid, replaced}, nil
}
