package password

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newChecker returns a checker whose unknown accounts are as cheap as its known ones.
func newChecker() (*Checker, *clock) {
	c := &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	checker := NewChecker(c.Now)
	checker.decoy = cheap("nobody knows this")
	return checker, c
}

var (
	home   = netip.MustParseAddr("192.0.2.1")
	abroad = netip.MustParseAddr("198.51.100.9")
)

func attempt(password string) Attempt {
	return Attempt{Account: "alice@example.com", Hash: cheap("right").String(), Password: password, Peer: home}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Attempt)
		want   error
	}{
		{"the right password is accepted", func(*Attempt) {}, nil},
		{"another password is wrong", func(a *Attempt) { a.Password = "left" }, ErrWrong},
		{"no password is wrong", func(a *Attempt) { a.Password = "" }, ErrWrong},
		{"an account without a hash has no password", func(a *Attempt) { a.Hash = "" }, ErrWrong},
		{"the decoy's own password opens nothing", func(a *Attempt) { a.Hash, a.Password = "", "nobody knows this" }, ErrWrong},
		{"an unreadable hash has no password", func(a *Attempt) { a.Hash = "right" }, ErrHash},
		{"an endless password is wrong", func(a *Attempt) { a.Password = string(make([]byte, MaxLength+1)) }, ErrWrong},
	}
	for _, tt := range tests {
		checker, _ := newChecker()
		a := attempt("right")
		tt.change(&a)
		if err := checker.Check(t.Context(), a); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	checker, _ := newChecker()
	for _, password := range []string{"", string(make([]byte, MaxLength+1))} {
		if _, err := checker.Hash(t.Context(), password); err == nil {
			t.Errorf("a password of %d bytes was hashed", len(password))
		}
	}
	made, err := checker.Hash(t.Context(), "new")
	if err != nil {
		t.Fatal(err)
	}
	if err := checker.Check(t.Context(), Attempt{Account: "a@b", Hash: made, Password: "new", Peer: home}); err != nil {
		t.Errorf("a hash that was just made: %v", err)
	}
}

// guess tries wrong passwords until the throttle closes and returns how many were looked at.
func guess(t *testing.T, checker *Checker, a Attempt, limit int) int {
	t.Helper()
	for n := range limit {
		var throttled *ThrottledError
		switch err := checker.Check(t.Context(), a); {
		case errors.As(err, &throttled):
			return n
		case !errors.Is(err, ErrWrong):
			t.Fatalf("guess %d: %v", n, err)
		}
	}
	return limit
}

func TestGuessingOneAccountIsThrottled(t *testing.T) {
	t.Parallel()
	checker, clock := newChecker()
	if n := guess(t, checker, attempt("wrong"), 100); n != freePerAccount {
		t.Errorf("%d guesses before the first wait, want %d", n, freePerAccount)
	}
	var throttled *ThrottledError
	if err := checker.Check(t.Context(), attempt("right")); !errors.As(err, &throttled) || throttled.Seconds() != 1 {
		t.Errorf("the right password during the wait: %v, want to wait 1 second", err)
	}
	if err := checker.Check(t.Context(), Attempt{Account: "alice@example.com", Password: "wrong", Peer: abroad}); !errors.As(err, &throttled) {
		t.Errorf("the same account from another address: %v", err)
	}
	last := time.Duration(0)
	for range 12 {
		clock.advance(throttled.Wait)
		if n := guess(t, checker, attempt("wrong"), 100); n != 1 {
			t.Fatalf("%d guesses after a wait, want 1", n)
		}
		if !errors.As(checker.Check(t.Context(), attempt("wrong")), &throttled) || throttled.Wait < last {
			t.Fatalf("wait %v after %v", throttled.Wait, last)
		}
		last = throttled.Wait
	}
	if last != maxWait {
		t.Errorf("the wait has grown to %v, want %v", last, maxWait)
	}
	clock.advance(last)
	if err := checker.Check(t.Context(), attempt("right")); err != nil {
		t.Errorf("the right password after the wait: %v", err)
	}
	clock.advance(forget)
	if n := guess(t, checker, attempt("wrong"), 100); n != freePerAccount {
		t.Errorf("%d guesses after a quiet hour, want %d", n, freePerAccount)
	}
}

func TestUnknownAccountsAreThrottledAlike(t *testing.T) {
	t.Parallel()
	checker, _ := newChecker()
	if n := guess(t, checker, Attempt{Account: "nobody@example.com", Password: "x", Peer: home}, 100); n != freePerAccount {
		t.Errorf("%d guesses, want %d as for an account that exists", n, freePerAccount)
	}
}

func TestABrowserThatIsKnownIsNotLockedOut(t *testing.T) {
	t.Parallel()
	checker, _ := newChecker()
	guess(t, checker, attempt("wrong"), 100)
	known := attempt("right")
	known.Device = "browser 1"
	if err := checker.Check(t.Context(), known); err != nil {
		t.Errorf("a known browser while others guess: %v", err)
	}
	known.Password = "wrong"
	if n := guess(t, checker, known, 100); n != freePerDevice {
		t.Errorf("a known browser may guess %d times, want %d", n, freePerDevice)
	}
	other := attempt("right")
	other.Device = "browser 2"
	if err := checker.Check(t.Context(), other); err != nil {
		t.Errorf("another known browser: %v", err)
	}
}

func TestSprayingOverAccountsIsThrottledByNetwork(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		peer     func(i int) netip.Addr
		outsider string
	}{
		{"one IPv4 address is one peer", func(int) netip.Addr { return home }, "192.0.2.2"},
		{"a /64 of IPv6 is one peer", func(i int) netip.Addr {
			return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1))
		}, "2001:db8:1:3::1"},
		{"an IPv4 address in IPv6 form is the same peer", func(i int) netip.Addr {
			return netip.MustParseAddr([]string{"192.0.2.1", "::ffff:192.0.2.1"}[i%2])
		}, "::ffff:192.0.2.2"},
	}
	for _, tt := range tests {
		checker, _ := newChecker()
		var throttled *ThrottledError
		for i := range freePerPeer {
			err := checker.Check(t.Context(), Attempt{Account: fmt.Sprintf("u%d@example.com", i), Password: "x", Peer: tt.peer(i)})
			if !errors.Is(err, ErrWrong) {
				t.Fatalf("%s: guess %d: %v", tt.name, i, err)
			}
		}
		if err := checker.Check(t.Context(), Attempt{Account: "new@example.com", Password: "x", Peer: tt.peer(7)}); !errors.As(err, &throttled) {
			t.Errorf("%s: after %d accounts: %v", tt.name, freePerPeer, err)
		}
		a := attempt("right")
		a.Peer = netip.MustParseAddr(tt.outsider)
		if err := checker.Check(t.Context(), a); err != nil {
			t.Errorf("%s: a neighbour: %v", tt.name, err)
		}
	}
}

func TestRightPasswordsAreNotHeldAgainstAnybody(t *testing.T) {
	t.Parallel()
	checker, _ := newChecker()
	for i := range 3 * freePerPeer {
		if err := checker.Check(t.Context(), attempt("right")); err != nil {
			t.Fatalf("sign-in %d: %v", i, err)
		}
	}
	if n := len(checker.throttle.accounts.byKey) + len(checker.throttle.peers.byKey); n != 0 {
		t.Errorf("%d buckets are left", n)
	}
}

func TestGuessesSentAtOnceDoNotSlipThrough(t *testing.T) {
	t.Parallel()
	checker, _ := newChecker()
	var wg sync.WaitGroup
	var mu sync.Mutex
	looked := 0
	for range 200 {
		wg.Go(func() {
			err := checker.Check(t.Context(), attempt("wrong"))
			if errors.Is(err, ErrWrong) {
				mu.Lock()
				looked++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if looked > freePerAccount {
		t.Errorf("%d guesses were looked at, want at most %d", looked, freePerAccount)
	}
}

func TestAFloodDoesNotPushOutTheBucketUnderAttack(t *testing.T) {
	t.Parallel()
	checker, clock := newChecker()
	guess(t, checker, attempt("wrong"), 100)
	clock.advance(time.Second)
	guess(t, checker, attempt("wrong"), 1)
	for i := range 3 * maxBuckets {
		checker.throttle.begin(Attempt{Account: fmt.Sprintf("u%d@example.com", i), Peer: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})})
	}
	for name, kind := range map[string]*buckets{"accounts": &checker.throttle.accounts, "peers": &checker.throttle.peers} {
		if len(kind.byKey) > maxBuckets {
			t.Errorf("%d %s are remembered, want at most %d", len(kind.byKey), name, maxBuckets)
		}
	}
	var throttled *ThrottledError
	if err := checker.Check(t.Context(), attempt("right")); !errors.As(err, &throttled) {
		t.Errorf("the account under attack: %v, want the wait to stand", err)
	}
}

func TestTooManyChecksAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	checker, _ := newChecker()
	for range parallel { // every place is taken
		if err := checker.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	waiting, cancel := context.WithCancel(t.Context())
	results := make(chan error, maxWaiting)
	for i := range maxWaiting {
		go func() {
			results <- checker.Check(waiting, Attempt{Account: fmt.Sprintf("u%d@example.com", i), Password: "x", Peer: home})
		}()
	}
	for checker.waiting.Load() < maxWaiting {
		runtime.Gosched()
	}
	if err := checker.Check(t.Context(), attempt("right")); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v, want ErrBusy", err)
	}
	cancel()
	for range maxWaiting {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("a waiting check whose client is gone: %v", err)
		}
	}
	if n := len(checker.throttle.accounts.byKey); n != 0 {
		t.Errorf("%d attempts that were never looked at count as wrong", n)
	}
	checker.release()
	if err := checker.Check(t.Context(), attempt("right")); err != nil {
		t.Errorf("after a place became free: %v", err)
	}
}
