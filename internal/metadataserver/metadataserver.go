// Package metadataserver answers as the metadata server of a virtual machine at Google does: which project and zone
// it is in, its attributes, its service account and that account's tokens. It owns the tree of values and the rules of
// asking for them. It makes no tokens: whoever mounts it says who does, and where nobody does there are none.
package metadataserver

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Host is the name under which applications ask.
const Host = "metadata.google.internal"

// Flavor is the header that clients must send, so that nobody's browser can be made to ask, and that tells them
// that this is a metadata server.
const Flavor = "Metadata-Flavor"

const flavorValue = "Google"

// Options are what a machine is.
type Options struct {
	ProjectID     string
	ProjectNumber int64
	Zone          string
	// Instance is the machine's name; empty says nothing of a machine but its zone.
	Instance string
	// Account is the service account that the machine runs as, and Minter makes its tokens; nil for none.
	Account *ServiceAccount
	Minter  Minter
	// Hosts are names under which the server answers besides Host, its short form and addresses.
	Hosts []string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// ServiceAccount is what programs on the machine act as.
type ServiceAccount struct {
	Email  string
	Scopes []string
}

// IdentityRequest is what an identity token is asked for with.
type IdentityRequest struct {
	Email, Audience string
	// Machine is whether the token describes the machine (format=full).
	Machine bool
}

// Minter makes tokens. ErrNoAccount says that the account is not there any more.
type Minter interface {
	// IdentityToken returns an ID token for an audience.
	IdentityToken(ctx context.Context, r IdentityRequest) (string, error)
	// AccessToken returns an access token and when it ends.
	AccessToken(ctx context.Context, email string) (token string, expires time.Time, err error)
}

// Server is the metadata server of one machine.
type Server struct {
	options Options
	mu      sync.Mutex // who changes attributes
	current atomic.Pointer[state]
	waiting atomic.Int64
	done    chan struct{}
	end     sync.Once
}

// state is all values at a moment, and a channel that is closed once there is another.
type state struct {
	root    *node
	changed chan struct{}
}

// New makes a metadata server without attributes.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{options: o, done: make(chan struct{})}
	s.current.Store(&state{root: o.tree(Attributes{}), changed: make(chan struct{})})
	return s
}

// Close answers everybody who waits for a change, and lets nobody wait from now on.
func (s *Server) Close() { s.end.Do(func() { close(s.done) }) }

// SetAttributes replaces the attributes of project and instance. Who waits for a change hears of it.
func (s *Server) SetAttributes(a Attributes) error {
	if err := a.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.current.Load()
	s.current.Store(&state{root: s.options.tree(a), changed: make(chan struct{})})
	close(before.changed)
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set(Flavor, flavorValue)
	header.Set("Server", "Metadata Server for VM")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	switch {
	// Clients are told an address where the name is not known (GCE_METADATA_HOST). A browser that is led here under
	// a name of somebody else's has no business here.
	case !s.isOurs(r.Host):
		refuse(w, http.StatusMisdirectedRequest, "this address answers for "+Host+" only")
	case !strings.HasPrefix(r.RequestURI, "/"):
		refuse(w, http.StatusBadRequest, "the request target must be a path")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "use GET")
	case len(r.Header.Values("X-Forwarded-For")) > 0:
		refuse(w, http.StatusForbidden, "a request that came through a proxy (X-Forwarded-For) is not answered")
	case r.URL.Path == "/": // detection: asked without the header, too
		write(w, r, textType, []byte("computeMetadata/\n"))
	case !slices.Equal(r.Header.Values(Flavor), []string{flavorValue}):
		refuse(w, http.StatusForbidden, "Missing "+Flavor+":"+flavorValue+" header.")
	default:
		s.serve(w, r)
	}
}

func (s *Server) isOurs(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host == Host || host == "metadata" || slices.Contains(s.options.Hosts, host)
}
