package session

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

// AuthCookieName names the cookie of a session at the auth host. IAP has no such cookie: there, Google's own
// sign-in keeps that session.
const AuthCookieName = "__Host-GCP_IAP_AUTH_SESSION"

// The beginnings of the names that IAP gives the cookie of a session at an application: of one host, and of a domain.
const (
	appCookiePrefix    = "__Host-GCP_IAP_AUTH_TOKEN_"
	domainCookiePrefix = "GCP_IAAP_AUTH_TOKEN_"
)

// Cookie is how the session of a resource is kept in browsers: in a cookie of one host, or in one that the hosts of a
// domain share. The latter opens the session of its resource only, at whichever of its hosts.
type Cookie struct {
	Name   string
	Domain string // canonical, without leading dot; empty for a cookie of one host
	scope  string
}

// HostCookie is the cookie of a resource at each host by itself. Browsers give it to nobody else.
func HostCookie(name resource.Name) Cookie { return Cookie{Name: appCookiePrefix + name.ID()} }

// DomainCookie is the cookie of a resource that all its hosts in a domain share. A name that begins with __Host- could
// have no domain.
func DomainCookie(name resource.Name, domain string) Cookie {
	return Cookie{Name: domainCookiePrefix + name.ID(), Domain: domain, scope: "." + domain}
}

// Scope is what the value of the cookie is bound to at a host: the host, or the domain with a dot before it, which no
// host begins with. So no value of the one sort opens as the other, or in another domain.
func (c Cookie) Scope(host string) string {
	if c.Domain != "" {
		return c.scope
	}
	return host
}

// Codec makes and opens the values of session cookies. A value seals the session's id, the resource that
// the cookie's name stands for and the time of issue, with the cookie's name and the host as associated data:
// moved to another name or host it opens nothing. It always has cookieLength characters.
type Codec struct{ Sealer *sealing.Sealer }

// What is sealed: 16 bytes of session id, 8 of resource id, 8 of seconds since 1970.
const (
	plainSize    = 16 + 8 + 8
	sealedSize   = plainSize + sealing.Overhead
	cookieLength = (sealedSize*8 + 5) / 6
)

// errOpen reports a value that this server did not seal for this cookie on this host.
var errOpen = errors.New("session cookie does not open")

// cookieEncoding is strict, so that a value has one spelling only.
var cookieEncoding = base64.RawURLEncoding.Strict()

// scratch is the working memory of one opening. It is pooled because what is passed to a cipher escapes.
type scratch struct {
	text       [cookieLength]byte
	sealed     [sealedSize]byte
	plain      [plainSize]byte
	associated []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{associated: make([]byte, 0, 320)} }}

// Seal returns the value of the cookie for a session.
func (c Codec) Seal(id ID, issued time.Time, cookie, host string) string {
	var plain [plainSize]byte
	copy(plain[:16], id[:])
	named := namedResource(cookie)
	copy(plain[16:24], named[:])
	binary.BigEndian.PutUint64(plain[24:], uint64(issued.Unix()))
	return cookieEncoding.EncodeToString(c.Sealer.Seal(plain[:], appendAssociated(nil, cookie, host)))
}

// Open returns the session that a value names, and when the cookie was issued.
func (c Codec) Open(value, cookie, host string) (ID, time.Time, error) {
	if len(value) != cookieLength {
		return ID{}, time.Time{}, errOpen
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	copy(s.text[:], value)
	if n, err := cookieEncoding.Decode(s.sealed[:], s.text[:]); err != nil || n != sealedSize {
		return ID{}, time.Time{}, errOpen
	}
	s.associated = appendAssociated(s.associated[:0], cookie, host)
	plain, err := c.Sealer.AppendOpen(s.plain[:0], s.sealed[:], s.associated)
	if err != nil || len(plain) != plainSize || [8]byte(plain[16:24]) != namedResource(cookie) {
		return ID{}, time.Time{}, errOpen
	}
	return ID(plain[:16]), time.Unix(int64(binary.BigEndian.Uint64(plain[24:])), 0), nil
}

// appendAssociated joins name and host by a byte that neither can hold.
func appendAssociated(b []byte, cookie, host string) []byte {
	b = append(b, cookie...)
	b = append(b, 0)
	return append(b, host...)
}

// namedResource returns the resource id that stands at the end of an application's cookie name; zero for the
// cookie of the auth host.
func namedResource(cookie string) (id [8]byte) {
	digits, found := strings.CutPrefix(cookie, appCookiePrefix)
	if !found {
		digits, found = strings.CutPrefix(cookie, domainCookiePrefix)
	}
	if !found || len(digits) != 2*len(id) {
		return id
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return [8]byte{}
	}
	return id
}
