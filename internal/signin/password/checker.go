package password

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// parallel is how many hashes are computed at once: each takes 19 MiB and a core for some 30 ms, and the
	// gate has requests to serve.
	parallel = 2
	// maxWaiting is how many checks may wait for their turn, half a second or so; more are told at once.
	maxWaiting = 32
	// maxAsking is how many passwords are checked elsewhere at once. Those take no time here.
	maxAsking = 64
)

// Why a password was not accepted.
var (
	// ErrWrong reports that account and password do not belong together. It never says whether the account exists.
	ErrWrong = errors.New("wrong account or password")
	// ErrBusy reports that too many checks are waiting.
	ErrBusy = errors.New("too many passwords are being checked; try again in a moment")
)

// ThrottledError reports that there were too many wrong attempts; this one was not looked at.
type ThrottledError struct{ Wait time.Duration }

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many wrong attempts; try again in %d seconds", e.Seconds())
}

// Seconds is how long to wait, rounded up.
func (e *ThrottledError) Seconds() int { return int((e.Wait + time.Second - 1) / time.Second) }

// Attempt is one try to sign in.
type Attempt struct {
	// Account is the canonical address that was typed, whether or not there is such an account.
	Account string
	// Hash is the account's PHC string. Empty for accounts that do not exist or may not sign in by password:
	// the attempt fails, and takes as long as any other.
	Hash     string
	Password string
	Peer     netip.Addr
	// Device names a browser that has signed in to this account before; empty for others. Its attempts are
	// counted apart, so that nobody else's wrong guesses can lock it out.
	Device string
}

// Checker makes and checks password hashes. Make one with NewChecker.
type Checker struct {
	slots    chan struct{}
	waiting  atomic.Int32
	asking   atomic.Int32
	throttle *throttle
	decoy    hash
}

// NewChecker returns a Checker that counts attempts by the given clock.
func NewChecker(now func() time.Time) *Checker {
	return &Checker{slots: make(chan struct{}, parallel), throttle: newThrottle(now), decoy: decoy()}
}

// Hash returns the PHC string of a new password.
func (c *Checker) Hash(ctx context.Context, password string) (string, error) {
	if password == "" || len(password) > MaxLength {
		return "", fmt.Errorf("a password must have 1 to %d bytes", MaxLength)
	}
	if err := c.acquire(ctx); err != nil {
		return "", err
	}
	defer c.release()
	return newHash(password).String(), nil
}

// Check returns nil when the password belongs to the account. Otherwise the error is ErrWrong, ErrBusy or a
// *ThrottledError; one that wraps ErrHash says that the stored hash cannot be read, and must be shown as ErrWrong;
// or it is that of ctx.
func (c *Checker) Check(ctx context.Context, a Attempt) error {
	// Counted as wrong before it is looked at, so that many attempts sent at once do not slip through together.
	counted, wait := c.throttle.begin(a)
	if wait > 0 {
		return &ThrottledError{Wait: wait}
	}
	if c.waiting.Load() >= maxWaiting {
		c.throttle.forgive(counted)
		return ErrBusy
	}
	if err := c.acquire(ctx); err != nil {
		c.throttle.forgive(counted)
		return err
	}
	defer c.release()
	if err := c.compare(a); err != nil {
		return err
	}
	c.throttle.forgive(counted)
	return nil
}

// CheckElsewhere is Check for a password that somebody else checks: ask returns nil, an error that wraps ErrWrong, or
// one that says nothing about the password and is not counted. An empty password is wrong without asking, since there
// are directories that let nobody in with it, and call that a success.
func (c *Checker) CheckElsewhere(ctx context.Context, a Attempt, ask func(context.Context) error) error {
	counted, wait := c.throttle.begin(a)
	if wait > 0 {
		return &ThrottledError{Wait: wait}
	}
	if a.Password == "" || len(a.Password) > MaxLength {
		return ErrWrong
	}
	defer c.asking.Add(-1)
	if c.asking.Add(1) > maxAsking {
		c.throttle.forgive(counted)
		return ErrBusy
	}
	err := ask(ctx)
	if !errors.Is(err, ErrWrong) {
		c.throttle.forgive(counted)
	}
	return err
}

// compare looks at the password. It takes as long for accounts that do not exist.
func (c *Checker) compare(a Attempt) error {
	stored, known := c.decoy, false
	var unreadable error
	if a.Hash != "" {
		parsed, err := parseHash(a.Hash)
		if err == nil {
			stored, known = parsed, true
		}
		unreadable = err
	}
	password := a.Password
	if len(password) > MaxLength {
		password, known = "", false
	}
	matches := stored.matches(password)
	switch {
	case unreadable != nil:
		return unreadable
	case !known || !matches:
		return ErrWrong
	}
	return nil
}

// acquire waits for one of the places at which a hash may be computed.
func (c *Checker) acquire(ctx context.Context) error {
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to check a password: %w", context.Cause(ctx))
	}
}

func (c *Checker) release() { <-c.slots }
