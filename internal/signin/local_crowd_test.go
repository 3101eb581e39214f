package signin_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestConcurrentSignInsSeeOnlyThemselves(t *testing.T) {
	t.Parallel()
	const people, times = 30, 5
	w := newWorld(t)
	emails := make([]string, people)
	for i := range people {
		emails[i] = fmt.Sprintf("p%d@example.com", i)
		w.create(t, emails[i], "secret of "+emails[i])
	}
	var wg sync.WaitGroup
	for i, email := range emails {
		wg.Go(func() {
			for range times {
				b := newBrowser(t, w)
				b.peer = fmt.Sprintf("10.0.0.%d:1", i)
				at := fmt.Sprintf("/of/%d", i)
				asked := b.get(appURL + at)
				form := map[string]string{"state": asked.field("state"), "email": email, "password": "secret of " + email}
				p := b.post("/signin", form)
				for p.StatusCode == http.StatusServiceUnavailable { // many are signing in: try again, as it says
					p = b.post("/signin", form)
				}
				p.wantHello(t, email, appHost+at)
				b.get(otherURL+at).wantHello(t, email, otherHost+at)
			}
		})
	}
	wg.Wait()
}

func TestTooManyPasswordChecksAreToldAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := make(map[int]int)
	for i := range 80 {
		b := newBrowser(t, w)
		b.peer = fmt.Sprintf("10.1.0.%d:1", i)
		state := b.get(appURL + "/").field("state")
		wg.Go(func() { // accounts that do not exist cost what a new hash costs
			p := b.post("/signin", map[string]string{"state": state, "email": fmt.Sprintf("no%d@example.com", i), "password": "x"})
			mu.Lock()
			defer mu.Unlock()
			statuses[p.StatusCode]++
			if p.StatusCode == http.StatusServiceUnavailable && p.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
		})
	}
	began := time.Now()
	wg.Wait()
	t.Logf("%v in %v", statuses, time.Since(began))
	if statuses[http.StatusServiceUnavailable] == 0 || statuses[http.StatusUnauthorized] == 0 {
		t.Errorf("answers by status: %v, want some 401 and the rest 503", statuses)
	}
}
