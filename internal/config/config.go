// Package config owns the server's file, gatehouse.yaml: the one table of its keys, from which it is read,
// checked, explained and documented, and the pair of files that a new installation starts with. It opens no
// socket and no store, and knows nothing of what the documents of the manifests say.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"path/filepath"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// Config is what a file says, read and checked. Paths are absolute or relative to the working directory.
type Config struct {
	// File is the file that it was read from, as named.
	File string

	Project         Project
	ExternalURL     ExternalURL
	AuthHost        string // canonical, without port
	DataDir         string
	RootKey         Secret
	Listeners       []Listener
	Admin           Admin
	TrustedProxies  []netip.Prefix
	Manifests       []string
	GoogleEndpoints GoogleEndpoints
	Pages           Pages
	Tracing         Tracing
	Audit           Audit
	Log             Log
}

// Project is the one project of a server.
type Project struct {
	ID     string
	Number int64
}

// ExternalURL is how browsers reach the auth host, and by its scheme and port every other host.
type ExternalURL struct {
	Scheme string // "http" or "https"
	Host   string // canonical
	Port   int    // 0 is the scheme's own
}

// Secret says where a secret is; exactly one field is set.
type Secret struct{ File, Env string }

// Listener is one place at which clients come in.
type Listener struct {
	Address string
	TLS     *TLS // nil is plain HTTP
	// RedirectToHTTPS answers every plain request that did not come through a trusted proxy over HTTPS with the
	// https address. Read fills in the default.
	RedirectToHTTPS bool
	ProxyProtocol   *ProxyProtocol
	HealthCheck     *HealthCheck
	Limits          listener.Limits

	redirect *bool // as written
}

// TLS says how a listener proves itself.
type TLS struct {
	Certificates []Certificate
	MinVersion   uint16
}

// Certificate is a pair of PEM files.
type Certificate struct {
	CertFile, KeyFile string
	MinVersion        uint16 // of TLS, for the hosts of the certificate; Read fills in the listener's
}

// ProxyProtocol says from whom a listener takes the PROXY protocol.
type ProxyProtocol struct{ From []netip.Prefix }

// HealthCheck is what a listener for clients answers to load balancers.
type HealthCheck struct{ Path string }

// Pages say how pages look.
type Pages struct{ Templates string }

// Admin is the listener for health and metrics; without an address there is none.
type Admin struct{ Address string }

// Log says what is logged, and how.
type Log struct {
	Level slog.Level
	JSON  bool
}

// Source is where configuration comes from besides its own text. Tests bend it.
type Source struct {
	// LookupEnv is os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// maxFile bounds what is read as a configuration.
const maxFile = 1 << 20

// Read reads and checks a file, and what it names: certificates, keys, variables. All that is wrong is
// returned at once, as Faults.
func Read(file string, source Source) (*Config, error) {
	text, err := readLimited(file)
	if err != nil {
		return nil, err
	}
	c, r := parse(file, text)
	if r.parsed {
		c.check(r, source)
	}
	return c, r.err()
}

// Parse reads the text of a file and checks what can be told from it alone.
func Parse(file string, text []byte) (*Config, error) {
	c, r := parse(file, text)
	return c, r.err()
}

func readLimited(file string) ([]byte, error) {
	text, _, err := regularfile.Read(file, maxFile)
	switch {
	case err == nil:
		return text, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no configuration %s: name another file, or write one with `gatehouse config init`", file)
	default:
		return nil, fmt.Errorf("the configuration cannot be used: %w", err)
	}
}

// resolve makes a path of the file one of the process: relative paths begin where the file is.
func (c *Config) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.File), path)
}
