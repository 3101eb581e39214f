package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// CertificateStore holds the certificates of listeners. Handshakes and requests read an immutable set; a reload
// replaces it. A pair of files that cannot be used leaves the one before in its place.
type CertificateStore struct {
	log *slog.Logger
	now func() time.Time
	set atomic.Pointer[certificateSet]

	mu       sync.Mutex // held by a reload
	problems []string   // of each pair, as last reported; "" where all is well
}

// certificateSet is what handshakes choose from.
type certificateSet struct {
	all      []*certificate // in the order of the configuration; the first is the default
	names    map[string][]*certificate
	wildcard map[string][]*certificate
	uniform  bool // all have the same settings
}

// demands returns the lowest version of TLS in which a canonical host is answered; ok is false where no certificate
// names it.
func (s *certificateSet) demands(host string) (minVersion uint16, ok bool) {
	found := s.named(host)
	for _, c := range found {
		minVersion = max(minVersion, c.files.MinVersion)
	}
	return minVersion, found != nil
}

// CertificateInfo is what is known of a pair of files, for metrics and readiness.
type CertificateInfo struct {
	CertFile            string
	Names               []string
	NotBefore, NotAfter time.Time
	// Problem is why the files are not used as they are now; the certificate is the one before. Empty when
	// all is well.
	Problem string
}

// LoadCertificates reads pairs of files, of which the first is for clients that name no host, or one that none
// has. Its error joins all faults. An expired certificate is reported and used: there is no better one.
func LoadCertificates(files []CertificateFiles, log *slog.Logger) (*CertificateStore, error) {
	return loadCertificates(files, log, time.Now)
}

func loadCertificates(files []CertificateFiles, log *slog.Logger, now func() time.Time) (*CertificateStore, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if len(files) == 0 {
		return nil, errors.New("a TLS listener needs at least one certificate")
	}
	s := &CertificateStore{log: log, now: now, problems: make([]string, len(files))}
	var all []*certificate
	var faults []error
	for _, pair := range files {
		if pair.MinVersion == 0 {
			pair.MinVersion = tls.VersionTLS12
		}
		if pair.MinVersion < tls.VersionTLS12 || pair.MinVersion > tls.VersionTLS13 {
			faults = append(faults, fmt.Errorf("certificate %s: the minimum TLS version must be 1.2 or 1.3", pair.CertFile))
			continue
		}
		c, err := loadCertificate(pair, now())
		if err != nil {
			faults = append(faults, err)
			continue
		}
		s.warnDates(c)
		all = append(all, c)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s.set.Store(newCertificateSet(all))
	return s, nil
}

// HeldCertificate keeps a certificate that is in no file, with its Leaf: there is nothing to read again.
func HeldCertificate(held tls.Certificate) (*CertificateStore, error) {
	c := &certificate{tls: held, names: map[string]struct{}{}, wildcards: map[string]struct{}{}}
	if err := c.readNames(); err != nil {
		return nil, err
	}
	s := &CertificateStore{log: slog.New(slog.DiscardHandler), now: time.Now, problems: make([]string, 1)}
	s.set.Store(newCertificateSet([]*certificate{c}))
	return s, nil
}

func newCertificateSet(all []*certificate) *certificateSet {
	set := &certificateSet{all: all, names: map[string][]*certificate{}, wildcard: map[string][]*certificate{}, uniform: true}
	for _, c := range all {
		for name := range c.names {
			set.names[name] = append(set.names[name], c)
		}
		for parent := range c.wildcards {
			set.wildcard[parent] = append(set.wildcard[parent], c)
		}
		for _, address := range c.addresses {
			set.names[address.String()] = append(set.names[address.String()], c)
		}
		set.uniform = set.uniform && c.files.MinVersion == all[0].files.MinVersion
	}
	return set
}

// named returns the certificates for a canonical host: those that spell it out, else those with a wildcard.
func (s *certificateSet) named(host string) []*certificate {
	if found := s.names[host]; found != nil {
		return found
	}
	if _, parent, ok := strings.Cut(host, "."); ok {
		return s.wildcard[parent]
	}
	return nil
}

// choose returns the certificate for a handshake that asks for a canonical host, and the lowest version for it: the
// first for the name whose key the client can use. A client that asks for a name we do not have gets the default, and
// says itself what it thinks of it.
func (s *CertificateStore) choose(hello *tls.ClientHelloInfo, host string) (*certificate, uint16) {
	set := s.set.Load()
	minVersion, known := set.demands(host)
	if !known {
		return set.all[0], set.all[0].files.MinVersion
	}
	found := set.named(host)
	for _, c := range found {
		if len(found) == 1 || hello.SupportsCertificate(&c.tls) == nil {
			return c, minVersion
		}
	}
	return found[0], minVersion
}

// Covers reports whether some certificate names a canonical host.
func (s *CertificateStore) Covers(host string) bool { return s.set.Load().named(host) != nil }

// Certificates lists the pairs in the order of the configuration.
func (s *CertificateStore) Certificates() []CertificateInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var infos []CertificateInfo
	for i, c := range s.set.Load().all {
		names := slices.Clone(c.tls.Leaf.DNSNames)
		for _, address := range c.addresses {
			names = append(names, address.String())
		}
		infos = append(infos, CertificateInfo{
			CertFile: c.files.CertFile, Names: names, Problem: s.problems[i],
			NotBefore: c.tls.Leaf.NotBefore, NotAfter: c.tls.Leaf.NotAfter,
		})
	}
	return infos
}

// Reload reads all files again. Connections keep the certificate that they have. What cannot be used stays as
// it was, and the error names it.
func (s *CertificateStore) Reload() error { return s.reload(func(*certificate) bool { return true }) }

// Watch reads files again when they change, until the context ends. It looks every second: no notification of
// the file system is as dependable with mounted secrets and network file systems.
func (s *CertificateStore) Watch(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = s.reload((*certificate).changed) // it has been logged
		}
	}
}

func (s *CertificateStore) reload(which func(*certificate) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.set.Load().all
	all := slices.Clone(current)
	var faults []error
	for i, old := range all {
		if !which(old) {
			s.report(i, nil)
			continue
		}
		c, err := s.successor(old)
		s.report(i, err)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		all[i] = c
		if !slices.EqualFunc(c.tls.Certificate, old.tls.Certificate, slices.Equal) {
			s.log.Info("certificate loaded", "file", c.files.CertFile, "names", c.tls.Leaf.DNSNames, "expires", c.tls.Leaf.NotAfter)
			s.warnDates(c)
		}
	}
	if !slices.Equal(all, current) {
		s.set.Store(newCertificateSet(all))
	}
	return errors.Join(faults...)
}

// successor loads a pair again. One that is out of its dates does not replace one that is not.
func (s *CertificateStore) successor(old *certificate) (*certificate, error) {
	c, err := loadCertificate(old.files, s.now())
	if err != nil {
		return nil, err
	}
	if now := s.now(); !c.valid(now) && old.valid(now) {
		return nil, fmt.Errorf("certificate %s is valid only from %s to %s", c.files.CertFile,
			c.tls.Leaf.NotBefore.Format(time.RFC3339), c.tls.Leaf.NotAfter.Format(time.RFC3339))
	}
	return c, nil
}

// report keeps the state of a pair, and logs it when it is news.
func (s *CertificateStore) report(i int, err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != s.problems[i] {
		s.log.Error("a changed certificate cannot be used, the one before stays; put the files right", "error", err)
	}
	s.problems[i] = problem
}

func (s *CertificateStore) warnDates(c *certificate) {
	if now := s.now(); !c.valid(now) {
		s.log.Error("a certificate is out of its dates: clients will refuse it; renew it", "file", c.files.CertFile,
			"from", c.tls.Leaf.NotBefore, "to", c.tls.Leaf.NotAfter)
	}
}
