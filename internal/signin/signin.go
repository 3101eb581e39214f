package signin

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin/password"
)

// App is the application that a request was routed to.
type App struct {
	Name     string        // what people call it
	Resource resource.Name // what sessions there are for
	Host     string        // canonical, without port; one that leads to Resource
	ClientID string        // its OAuth client id
	// CookieDomain is the domain that the cookies of its sessions have at this host; empty for the host alone.
	CookieDomain string
	// LoginHint is the domain, or the address, of the people whom the application expects; empty for anybody's.
	LoginHint string
	// Demand is what its people have to prove besides having signed in some time.
	Demand session.Demand
}

// cookie is how the application's session is kept at the host.
func (a App) cookie() session.Cookie {
	if a.CookieDomain != "" {
		return session.DomainCookie(a.Resource, a.CookieDomain)
	}
	return session.HostCookie(a.Resource)
}

// External is how browsers reach us, whatever we listen on.
type External struct {
	Scheme string // "http" or "https"
	Port   int
}

// URL returns the origin of a host, such as "http://app.localhost:8080".
func (e External) URL(host string) string { return e.Scheme + "://" + e.authority(host) }

// authority returns the host with its port, where that is not the scheme's own.
func (e External) authority(host string) string {
	if e.Port == 0 || e.Scheme == "http" && e.Port == 80 || e.Scheme == "https" && e.Port == 443 {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(e.Port))
}

// AccountLookup finds local accounts by canonical address.
type AccountLookup interface {
	Account(email string) (directory.Account, bool)
}

// SignIn is the part of the gate that people see: on application hosts Begin, Complete and Clear, on the auth host
// Handler. Fill in the fields before first use.
type SignIn struct {
	External   External
	AuthHost   string // canonical, without port
	Transactor Transactor
	Sessions   *session.Table
	Sealer     *sealing.Sealer // for attempts and known browsers; never a signing key
	Pages      *pages.Renderer
	// Accounts returns the directory as requests see it now.
	Accounts func() AccountLookup
	// Serves reports whether a host still leads to a resource.
	Serves func(host string, name resource.Name) bool
	// Quick are addresses that sign in by one click and without a password. For development only.
	Quick []string
	// Always is the account that is signed in without a question where nobody is; empty for none. For development only.
	Always string
	// HasHost reports whether a host leads to an application; Enter needs it.
	HasHost   func(host string) bool
	Passwords *password.Checker
	// Providers returns the identity providers as requests see them now; nil for our own directory alone.
	Providers func() *identityprovider.View
	// Redirecting signs people in at providers of kind oidc.
	Redirecting Redirecting
	// PasswordSources check passwords of people who are not in our own directory, by the provider's kind.
	PasswordSources map[identityprovider.Kind]PasswordSource
	Lifetimes       session.Lifetimes
	Now             func() time.Time
	Log             *slog.Logger
	// ClientAddr returns whom a request comes from, past trusted proxies; nil takes the connection's peer.
	ClientAddr func(*http.Request) netip.Addr
	// Record keeps refusals; it must not keep the pointer. Replica names this process in their ids.
	Record  func(*audit.Decision)
	Replica uint16
	// Meter counts what becomes of sign-ins; nil for nobody.
	Meter Meter
}

// Meter counts what becomes of sign-ins.
type Meter interface {
	// SignIn counts one that came to an end at a provider: Success, a reason of package policy, or one of the outcomes.
	SignIn(provider, outcome string)
	// Rechecked counts that a provider was asked again about a session: confirmed, unanswered or ended.
	Rechecked(provider, result string)
}

// The outcomes of sign-ins that are no reasons of decisions.
const (
	Success          = "success"
	wrongCredentials = "wrong_password"
	throttled        = "too_many_attempts"
	busy             = "busy"
)

func (s *SignIn) count(provider, outcome string) {
	if s.Meter != nil && provider != "" {
		s.Meter.SignIn(provider, outcome)
	}
}

func (s *SignIn) clientAddr(r *http.Request) netip.Addr {
	if s.ClientAddr != nil {
		return s.ClientAddr(r)
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr()
}

// mayEnter reports whether an account may sign in here at all: service accounts bring tokens instead.
func mayEnter(account directory.Account) bool {
	return account.Kind == principal.User && !account.Disabled
}

// authorizePath is where an application sends people, named as at Google's own sign-in, so that programs that
// read IAP's redirect find what they know.
const authorizePath = "/o/oauth2/v2/auth"

// redirect sends a browser on. The address is one that we built.
func redirect(w http.ResponseWriter, status int, address string) {
	pages.Headers(w.Header())
	w.Header().Set("Location", address)
	w.WriteHeader(status)
}
