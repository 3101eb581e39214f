package ldapbind

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// directory is one connection, for one check. Nobody else ever uses it: as whom it is bound is part of its state.
type directory struct {
	plan
	ctx  context.Context
	conn *ldap.Conn
	stop func() bool
	log  *slog.Logger
	span Span
}

// open connects, and encrypts unless the directory is on this machine.
func open(ctx context.Context, p plan, log *slog.Logger, span Span) (_ *directory, err error) {
	defer span.begin(ctx, "connect", p.address)(&err)
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if p.tls == nil && !isLoopback(raw.RemoteAddr()) {
		_ = raw.Close()
		return nil, fmt.Errorf("%w: %s is at %s and would get passwords in the clear: use ldaps:// or startTls", ErrMisconfigured, p.address, raw.RemoteAddr())
	}
	deadline, _ := ctx.Deadline()
	_ = raw.SetDeadline(deadline)
	var bounded net.Conn = &boundedConn{Conn: raw, left: maxReceived}
	d := &directory{plan: p, ctx: ctx, log: log, span: span, stop: context.AfterFunc(ctx, func() { _ = raw.Close() })}
	if p.tls != nil && !p.startTLS {
		encrypted := tls.Client(bounded, p.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			d.stop()
			_ = raw.Close()
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		bounded = encrypted
	}
	d.conn = ldap.NewConn(bounded, p.tls != nil && !p.startTLS)
	d.conn.SetTimeout(time.Until(deadline)) // also bounds Close
	d.conn.Start()
	if p.startTLS {
		if err := d.conn.StartTLS(p.tls); err != nil {
			d.close()
			return nil, fmt.Errorf("%w: startTls: %w", ErrUnavailable, err)
		}
	}
	return d, nil
}

func (d *directory) close() {
	d.stop()
	_ = d.conn.Close()
}

// bindForSearch binds as the configured account, or as nobody.
func (d *directory) bindForSearch() (err error) {
	defer d.begin("bind")(&err)
	if d.bindDN == "" {
		err = d.conn.UnauthenticatedBind("")
	} else {
		err = d.conn.Bind(d.bindDN, d.secret)
	}
	switch {
	case err == nil:
		return nil
	case down(err):
		return d.unavailable("bind for searches", err)
	default:
		return fmt.Errorf("%w: it does not let us search as %q: %w", ErrMisconfigured, d.bindDN, err)
	}
}

// bindAs proves a password. What the directory says against it is a wrong password, unless it plainly is not: locked
// and expired accounts have result codes that differ from product to product.
func (d *directory) bindAs(dn, password string) (err error) {
	defer d.begin("bind")(&err)
	err = d.conn.Bind(dn, password)
	switch {
	case err == nil:
		return nil
	case down(err):
		return d.unavailable("bind", err)
	case misfit(err):
		return fmt.Errorf("%w: bind as %s: %w", ErrMisconfigured, dn, err)
	default:
		return fmt.Errorf("%w: bind as %s: %w", ErrPassword, dn, err)
	}
}

// search returns at most limit entries below a base, and whether there were more. Referrals are not followed: they
// would carry searches, and our own password, to servers that nobody configured.
func (d *directory) search(base, filter string, limit int, attributes ...string) (entries []*ldap.Entry, more bool, err error) {
	defer d.begin("search")(&err)
	seconds := max(1, int(time.Until(d.deadline()).Seconds()))
	request := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, limit+1, seconds, false, filter, attributes, nil)
	request.EnforceSizeLimit = true
	result, err := d.conn.Search(request)
	switch {
	case err == nil:
		return result.Entries, len(result.Entries) > limit, nil
	case errors.Is(err, ldap.ErrSizeLimitExceeded), ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return nil, true, nil
	case down(err):
		return nil, false, d.unavailable("search", err)
	default:
		return nil, false, fmt.Errorf("%w: search below %q for %s: %w", ErrMisconfigured, base, filter, err)
	}
}

func (d *directory) deadline() time.Time {
	deadline, _ := d.ctx.Deadline()
	return deadline
}

// unavailable names what was being done, and whether it was time that ran out.
func (d *directory) unavailable(doing string, err error) error {
	if cause := context.Cause(d.ctx); cause != nil {
		return fmt.Errorf("%w: %s: %w (%w)", ErrUnavailable, doing, err, cause)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, doing, err)
}

var errTooMuch = fmt.Errorf("the directory has sent more than %d bytes", maxReceived)

// boundedConn bounds what is received. The decoder has a bound of its own, but that is one variable for the whole
// program, and allows one message of 2 GiB.
type boundedConn struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (c *boundedConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
