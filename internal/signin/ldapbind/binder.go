// Package ldapbind checks passwords at LDAP directories: it finds the person's entry, binds as it, and looks up the
// groups that name it. It owns connections, searches and what is believed of their answers. It keeps no session and
// does not decide which addresses a directory may vouch for (signin does).
package ldapbind

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// What goes wrong, in sign-in's words. Errors wrap one of them; the causes are for the log alone.
var (
	// ErrPassword reports that address and password do not belong together.
	ErrPassword = signin.ErrPassword
	// ErrUnavailable reports a directory that is down, too slow, or not the one its certificate should name.
	ErrUnavailable = signin.ErrProviderDown
	// ErrMisconfigured reports a directory that does not hold what the configuration says.
	ErrMisconfigured = signin.ErrProviderSetup
)

// Bounds of what a directory may cost us.
const (
	defaultTimeout = 10 * time.Second
	maxPassword    = 1024
	maxGroups      = 1000
	maxReceived    = 8 << 20 // bytes of one connection, below TLS
	parallel       = 16      // connections to one directory at a time
)

// Person is who a directory says somebody is.
type Person struct {
	Subject string   // what the directory calls the entry, for ever
	Email   string   // canonical; the one that was asked for
	DN      string   // where the entry is now
	Groups  []string // values of the group attribute, as they are in the directory
	// Attributes are those that the provider's configuration names, in its order.
	Attributes []principal.Attribute
}

// Binder checks passwords. Its zero value with a Log is ready to use.
type Binder struct {
	Log     *slog.Logger
	Timeout time.Duration // of one check, whatever it takes; 10 s when zero
	Span    Span          // nil where nobody traces

	mu    sync.Mutex
	slots map[string]chan struct{} // by URL: a directory that hangs holds up nobody else's people
}

// Check returns who the person with an address and a password is.
func (b *Binder) Check(ctx context.Context, cfg identityprovider.LDAPConfig, email, password string, attributes ...string) (Person, error) {
	canonical, err := principal.ParseAddress(email)
	if err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrPassword, err)
	}
	if err := checkPassword(password); err != nil {
		return Person{}, err
	}
	var person Person
	err = b.session(ctx, cfg, attributes, func(d *directory) (err error) {
		person, err = d.check(canonical, password)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	return person, nil
}

// Lookup returns who has an address, without a password: for people whom Check has let in before. ErrPassword when
// nobody has it any more, or two have.
func (b *Binder) Lookup(ctx context.Context, cfg identityprovider.LDAPConfig, email string, attributes ...string) (Person, error) {
	var person Person
	err := b.session(ctx, cfg, attributes, func(d *directory) error {
		entry, err := d.find(email)
		if err != nil {
			return err
		}
		if !hasAddress(entry, d.emailAttribute, email) {
			return fmt.Errorf("%w: %s has another address now", ErrPassword, entry.DN)
		}
		person, err = d.read(entry, email)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	return person, nil
}

// checkPassword refuses what a directory could take for no password at all: a bind with a name and an empty password
// succeeds, as nobody (RFC 4513, section 5.1.2), and servers that end strings at NUL see an empty one there.
func checkPassword(password string) error {
	switch {
	case password == "":
		return fmt.Errorf("%w: the password is empty", ErrPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("%w: the password is longer than %d bytes", ErrPassword, maxPassword)
	case strings.ContainsRune(password, 0):
		return fmt.Errorf("%w: the password has a NUL byte", ErrPassword)
	}
	return nil
}

// session runs do with a connection that is bound for searches, within the bounds of one check.
func (b *Binder) session(ctx context.Context, cfg identityprovider.LDAPConfig, attributes []string, do func(*directory) error) error {
	plan, err := compile(cfg)
	if err != nil {
		return err
	}
	plan.attributes = attributes
	timeout := b.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	release, err := b.acquire(ctx, cfg.URL)
	if err != nil {
		return err
	}
	defer release()
	d, err := open(ctx, plan, b.Log, b.Span)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.bindForSearch(); err != nil {
		return err
	}
	return do(d)
}

// acquire waits for one of the places toward a directory.
func (b *Binder) acquire(ctx context.Context, url string) (release func(), err error) {
	b.mu.Lock()
	if b.slots == nil {
		b.slots = map[string]chan struct{}{}
	}
	slots := b.slots[url]
	if slots == nil {
		slots = make(chan struct{}, parallel)
		b.slots[url] = slots
	}
	b.mu.Unlock()
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %d checks are waiting for it already: %w", ErrUnavailable, parallel, context.Cause(ctx))
	}
}
