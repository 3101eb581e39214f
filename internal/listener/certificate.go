package listener

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// CertificateFiles are one certificate with its chain, and its key, in PEM.
type CertificateFiles struct {
	CertFile, KeyFile string
	// MinVersion is the lowest version of TLS in which the hosts of this certificate are answered; 0 is TLS 1.2.
	// Where several certificates name a host, the strictest counts.
	MinVersion uint16
}

// certificate is a loaded pair. It is immutable.
type certificate struct {
	files     CertificateFiles
	tls       tls.Certificate
	names     map[string]struct{} // lower case; without wildcards
	wildcards map[string]struct{} // what follows "*."
	addresses []netip.Addr
	cert, key version
}

// version is the state of a file when it was read.
type version struct {
	info os.FileInfo
	read time.Time
	data []byte
}

// restless is how long after its last change a file can change again without a trace in its time.
const restless = 2 * time.Second

// changed reports whether the file differs from what was read. A file that was read soon after a change is
// compared by its content.
func (v version) changed(file string) bool {
	info, err := os.Stat(file)
	if err != nil || v.info == nil {
		return true // so that the fault is found and named
	}
	if !os.SameFile(info, v.info) || !info.ModTime().Equal(v.info.ModTime()) || info.Size() != v.info.Size() {
		return true
	}
	if v.read.Sub(info.ModTime()) >= restless {
		return false
	}
	data, _, err := regularfile.Read(file, maxFile)
	return err != nil || !bytes.Equal(data, v.data)
}

// maxFile bounds what is read of a file; a chain has a few thousand bytes.
const maxFile = 1 << 20

func readVersion(file string, now time.Time) (version, error) {
	data, info, err := regularfile.Read(file, maxFile)
	return version{info, now, data}, err
}

// othersMode are the permissions that make a key somebody else's too. A group may read it, as Debian's ssl-cert does.
const othersMode = 0o027

func loadCertificate(files CertificateFiles, now time.Time) (*certificate, error) {
	c := &certificate{files: files, names: map[string]struct{}{}, wildcards: map[string]struct{}{}}
	var err error
	if c.cert, err = readVersion(files.CertFile, now); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if c.key, err = readVersion(files.KeyFile, now); err != nil {
		return nil, fmt.Errorf("key of certificate %s: %w", files.CertFile, err)
	}
	if mode := c.key.info.Mode().Perm(); mode&othersMode != 0 {
		return nil, fmt.Errorf("key of certificate %s: others may use %s (mode %04o); run: chmod 600 %s", files.CertFile, files.KeyFile, mode, files.KeyFile)
	}
	if c.tls, err = tls.X509KeyPair(c.cert.data, c.key.data); err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", files.CertFile, files.KeyFile, err)
	}
	if err := c.readNames(); err != nil {
		return nil, err
	}
	return c, nil
}

// readNames notes whom the certificate names.
func (c *certificate) readNames() error {
	for _, name := range c.tls.Leaf.DNSNames {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if parent, wild := strings.CutPrefix(name, "*."); wild {
			c.wildcards[parent] = struct{}{}
		} else {
			c.names[name] = struct{}{}
		}
	}
	for _, ip := range c.tls.Leaf.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			c.addresses = append(c.addresses, address.Unmap())
		}
	}
	if len(c.names)+len(c.wildcards)+len(c.addresses) == 0 {
		return fmt.Errorf("certificate %s: %w", c.files.CertFile, errNoNames)
	}
	return nil
}

var errNoNames = errors.New("it names no host in its subject alternative names, and browsers look nowhere else; make one that does")

// covers reports whether the certificate names a canonical host. A wildcard stands for exactly one label.
func (c *certificate) covers(host string) bool {
	if _, found := c.names[host]; found {
		return true
	}
	if _, parent, found := strings.Cut(host, "."); found {
		if _, found := c.wildcards[parent]; found {
			return true
		}
	}
	if len(c.addresses) == 0 {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err == nil && slices.Contains(c.addresses, address.Unmap())
}

// valid reports whether the certificate is within its dates.
func (c *certificate) valid(now time.Time) bool {
	return !now.Before(c.tls.Leaf.NotBefore) && !now.After(c.tls.Leaf.NotAfter)
}

func (c *certificate) changed() bool {
	return c.cert.changed(c.files.CertFile) || c.key.changed(c.files.KeyFile)
}
