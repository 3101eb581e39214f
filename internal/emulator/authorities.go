package emulator

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/certauthority"
	"github.com/gatehouse-iap/gatehouse/internal/interception"
)

// makeAuthorities makes those of this run: one that can vouch for names below localhost, which a person may have to
// trust in a browser, and one that can vouch for www.gstatic.com, which only the app's process is told of. Their keys
// live as long as this process does, and are nowhere else.
func (r *run) makeAuthorities(context.Context) (err error) {
	if r.info.CAFile == "" {
		return nil
	}
	if r.TLS != "" {
		names := []string{appHost, authHost, metadataHost, "localhost"}
		if r.Declared != nil {
			names = append(names, r.Declared.Hosts...)
		}
		if r.certificate, err = r.issue("localhost", names...); err != nil {
			return err
		}
	}
	if !r.NoIntercept {
		if r.gstatic, err = r.issue(interception.GStaticHost); err != nil {
			return err
		}
	}
	var content []byte
	for _, authority := range r.authorities {
		content = append(content, certauthority.CertificatePEM(authority.Certificate)...)
	}
	if err := os.MkdirAll(filepath.Dir(r.info.CAFile), 0o700); err != nil {
		return fmt.Errorf("cannot write the authorities of this run: %w", err)
	}
	if err := interception.WriteFile(r.info.CAFile, content, 0o644); err != nil {
		return fmt.Errorf("cannot write the authorities of this run: %w", err)
	}
	return nil
}

// issue makes an authority for a host and a certificate of it.
func (r *run) issue(host string, names ...string) (tls.Certificate, error) {
	now := time.Now()
	authority, err := certauthority.New(host, now)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make an authority for %s: %w", host, err)
	}
	leaf, err := authority.Issue(now, names...)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make a certificate for %s: %w", host, err)
	}
	r.authorities = append(r.authorities, authority)
	return tls.Certificate{
		Certificate: [][]byte{leaf.Certificate.Raw, authority.Certificate.Raw}, PrivateKey: leaf.Key, Leaf: leaf.Certificate,
	}, nil
}
