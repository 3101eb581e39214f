// Package catalog owns what stands behind the gate: services, the hosts and path prefixes they answer on,
// their upstreams, and the compiled route table. It does not know who may use them.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Service is one protected application.
type Service struct {
	resource.Service
	// Name is what people call the service, such as "app"; unique within its project.
	Name string `json:"name"`
	// Hosts are the host names the service answers on, in canonical form (CanonicalHost).
	Hosts []string `json:"hosts"`
	// PathPrefixes bound the service to parts of its hosts, at segment borders; none means all paths.
	PathPrefixes []string `json:"pathPrefixes,omitempty"`
	// Upstream is the URL of the application, scheme, host and port only: http, https, or h2c for HTTP/2 without TLS.
	Upstream string `json:"upstream,omitempty"`
	// Upstreams are the URLs of an application with several addresses, in place of Upstream.
	Upstreams []string `json:"upstreams,omitempty"`
	// UpstreamTLS refines https; nil verifies against the system's roots.
	UpstreamTLS *UpstreamTLS `json:"upstreamTls,omitempty"`
	// UpstreamHost replaces the Host header toward the application; empty keeps the client's.
	UpstreamHost string `json:"upstreamHost,omitempty"`
	// UpstreamTimeouts bound how long the application may take; nil for the defaults.
	UpstreamTimeouts *UpstreamTimeouts `json:"upstreamTimeouts,omitempty"`
	// HealthCheck is how the application is asked whether it is well; nil asks nothing.
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`
	// IAPDisabled turns the gate off: requests pass, stripped of every identity header. The zero value is on.
	IAPDisabled bool `json:"iapDisabled,omitempty"`
	// PublicPaths pass without anybody's name.
	PublicPaths []PublicPath `json:"publicPaths,omitempty"`
	// CORSOrigins are origins whose pages may read what the gate itself answers, such as https://spa.example.com.
	CORSOrigins []string `json:"corsOrigins,omitempty"`
	// MaxBodyBytes bounds the body of a request; zero is no limit.
	MaxBodyBytes int64 `json:"maxBodyBytes,omitempty"`
	// OAuthClientID is the `aud` of bearer tokens for the service.
	OAuthClientID string `json:"oauthClientId"`
}

// CommandLineClientID is the OAuth client id of "gatehouse auth login". A service that takes its tokens lists it among
// its programmatic clients.
const CommandLineClientID = "gatehouse-cli"

// ErrNotFound reports a service that the catalog does not hold.
var ErrNotFound = errors.New("no such service")

// ErrInvalid is wrapped by every error of Validate and Compile.
var ErrInvalid = errors.New("invalid service")

// Validate checks one service by itself; Compile checks services against each other.
func (s Service) Validate() error {
	if err := s.Service.Validate(); err != nil {
		return fmt.Errorf("%w %q: %w", ErrInvalid, s.Name, err)
	}
	if s.OAuthClientID == CommandLineClientID {
		return fmt.Errorf("%w %q: oauthClientId %q is that of gatehouse's own command line", ErrInvalid, s.Name, s.OAuthClientID)
	}
	if s.Name == "" || len(s.Hosts) == 0 || s.OAuthClientID == "" {
		return fmt.Errorf("%w %q: name, hosts and oauthClientId must be set", ErrInvalid, s.Name)
	}
	for _, host := range s.Hosts {
		canonical, err := CanonicalHost(host)
		if err != nil || canonical != host {
			return fmt.Errorf("%w %q: host %q is not in canonical form (%q)", ErrInvalid, s.Name, host, canonical)
		}
	}
	for _, prefix := range s.PathPrefixes {
		if !strings.HasPrefix(prefix, "/") || strings.ContainsAny(prefix, "?#;%\\") || strings.Contains(prefix, "//") {
			return fmt.Errorf("%w %q: path prefix %q must start with / and hold no ? # ; %% \\ or //", ErrInvalid, s.Name, prefix)
		}
	}
	if err := s.validateUpstream(); err != nil {
		return fmt.Errorf("%w %q: %w", ErrInvalid, s.Name, err)
	}
	if s.MaxBodyBytes < 0 {
		return fmt.Errorf("%w %q: maxBodyBytes %d must be 1 or more, or be left out for no limit", ErrInvalid, s.Name, s.MaxBodyBytes)
	}
	for _, check := range []func() error{s.validatePublicPaths, s.validateCORSOrigins} {
		if err := check(); err != nil {
			return fmt.Errorf("%w %q: %w", ErrInvalid, s.Name, err)
		}
	}
	return nil
}

// Reader is what the snapshot reads of stored services.
type Reader interface {
	// Services lists all services, ordered by resource name.
	Services(ctx context.Context) ([]Service, error)
	// Service returns the one with this resource name, or ErrNotFound.
	Service(ctx context.Context, name resource.Name) (Service, error)
}

// Store is what administration reads and writes.
type Store interface {
	Reader
	// PutService creates or replaces the service with that resource name.
	PutService(ctx context.Context, service Service) error
	// DeleteService removes it, or returns ErrNotFound.
	DeleteService(ctx context.Context, name resource.Name) error
}
