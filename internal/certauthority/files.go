package certauthority

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Files are the names of an authority's PEM files. Keys are written 0600; certificates are public, and whoever
// runs an application must be able to read the authority's.
type Files struct{ CACert, CAKey, LeafCert, LeafKey string }

// FilesIn names the files of an authority for a host in a directory.
func FilesIn(dir, host string) Files {
	return Files{
		CACert: filepath.Join(dir, "ca.crt"), CAKey: filepath.Join(dir, "ca.key"),
		LeafCert: filepath.Join(dir, host+".crt"), LeafKey: filepath.Join(dir, host+".key"),
	}
}

const (
	certificateType = "CERTIFICATE"
	keyType         = "PRIVATE KEY"
)

// Init makes an authority for a host, and a leaf, and writes them into a directory. It never overwrites: when one
// of the files is there, nothing is written.
func Init(dir, host string, now time.Time) (files Files, err error) {
	files = FilesIn(dir, host)
	for _, path := range []string{files.CACert, files.CAKey, files.LeafCert, files.LeafKey} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%s exists and is never overwritten: name another directory, or renew the leaf with `gatehouse ca renew`", path)
			}
			return files, err
		}
	}
	authority, err := New(host, now)
	if err != nil {
		return files, err
	}
	leaf, err := authority.Issue(now)
	if err != nil {
		return files, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return files, err
	}
	var written []string
	defer func() {
		if err != nil { // a part of an authority is of no use, and would stop the next attempt
			for _, path := range written {
				_ = os.Remove(path)
			}
		}
	}()
	encoded, err := encode(files, authority.Pair, leaf)
	if err != nil {
		return files, err
	}
	for _, f := range encoded {
		if err := create(f); err != nil {
			return files, err
		}
		written = append(written, f.path)
	}
	return files, nil
}

// Renew issues another leaf, with another key, from the authority in a directory, and puts it in the place of
// the one before.
func Renew(dir, host string, now time.Time) (files Files, expires time.Time, err error) {
	files = FilesIn(dir, host)
	pair, err := readPair(files.CACert, files.CAKey)
	if err != nil {
		return files, expires, err
	}
	authority, err := Load(pair)
	if err != nil {
		return files, expires, fmt.Errorf("%s: %w", files.CACert, err)
	}
	if authority.host != host {
		return files, expires, fmt.Errorf("%s is the authority of %s, not of %s", files.CACert, authority.host, host)
	}
	leaf, err := authority.Issue(now)
	if err != nil {
		return files, expires, err
	}
	encoded, err := encode(files, leaf, leaf)
	if err != nil {
		return files, expires, err
	}
	// The key first: a server that reads between the two finds no pair, keeps what it has and looks again.
	for _, f := range encoded[2:] {
		if err := replace(f); err != nil {
			return files, expires, err
		}
	}
	return files, leaf.Certificate.NotAfter, nil
}

type file struct {
	path    string
	content []byte
	mode    fs.FileMode
}

// encode returns what is written: the authority's files, then the leaf's, each key before its certificate.
func encode(files Files, authority, leaf Pair) ([]file, error) {
	caKey, err := keyPEM(authority.Key)
	if err != nil {
		return nil, err
	}
	leafKey, err := keyPEM(leaf.Key)
	if err != nil {
		return nil, err
	}
	return []file{
		{files.CAKey, caKey, 0o600},
		{files.CACert, CertificatePEM(authority.Certificate), 0o644},
		{files.LeafKey, leafKey, 0o600},
		{files.LeafCert, CertificatePEM(leaf.Certificate), 0o644},
	}, nil
}

// CertificatePEM encodes a certificate as files hold it.
func CertificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: c.Raw})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: der}), err
}

// create writes a file that must not be there yet, links included.
func create(f file) error {
	out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
	if err != nil {
		return err
	}
	_, err = out.Write(f.content)
	err = errors.Join(err, out.Chmod(f.mode), out.Sync(), out.Close()) // whatever the umask is
	if err != nil {
		_ = os.Remove(f.path)
	}
	return err
}

// replace puts a whole file in the place of another: nobody ever reads half of it. Whoever could read the one before
// can read the new one: often root renews what a server that runs as somebody else has to read.
func replace(f file) error {
	next := f
	next.path += ".new"
	before, err := os.Stat(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(next.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := create(next); err != nil {
		return err
	}
	if before != nil {
		if err := likeBefore(next.path, before); err != nil {
			return errors.Join(err, os.Remove(next.path))
		}
	}
	return os.Rename(next.path, f.path)
}

// likeBefore gives a file owner, group and mode of another. Whoever may not give it away keeps it, as it was made.
func likeBefore(path string, before fs.FileInfo) error {
	if stat, known := before.Sys().(*syscall.Stat_t); known {
		if err := os.Chown(path, int(stat.Uid), int(stat.Gid)); errors.Is(err, fs.ErrPermission) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return os.Chmod(path, before.Mode().Perm())
}

func readPair(certFile, keyFile string) (Pair, error) {
	certificate, err := readPEM(certFile, certificateType)
	if err != nil {
		return Pair{}, err
	}
	secret, err := readPEM(keyFile, keyType)
	if err != nil {
		return Pair{}, err
	}
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		return Pair{}, fmt.Errorf("%s: %w", certFile, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(secret)
	if err != nil {
		return Pair{}, fmt.Errorf("%s holds no private key that can be read", keyFile) // nothing of a key in an error
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return Pair{}, fmt.Errorf("%s is not a key on P-256, as `gatehouse ca init` makes it", keyFile)
	}
	return Pair{parsed, ec}, nil
}

func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: name the directory that `gatehouse ca init` wrote with --dir", path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s is not a PEM file of the type %s", path, kind)
	}
	return block.Bytes, nil
}
