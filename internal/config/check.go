package config

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

// derive fills in what follows from other keys, and checks them against each other.
func (c *Config) derive(r *reader) {
	if r.has("authHost") && r.has("externalURL") && c.AuthHost != "" && c.ExternalURL.Host != "" && c.AuthHost != c.ExternalURL.Host {
		r.fault("authHost", fmt.Sprintf("%q is not the host of externalURL, %q", c.AuthHost, c.ExternalURL.Host), "leave authHost out, or make them agree")
	}
	if c.AuthHost == "" {
		c.AuthHost = c.ExternalURL.Host
	}
	c.DataDir = c.resolve(c.DataDir)
	for i := range c.Manifests {
		c.Manifests[i] = c.resolve(c.Manifests[i])
	}
	c.Pages.Templates = c.resolve(c.Pages.Templates)
	c.deriveAudit(r)
	c.deriveRootKey(r)
	c.deriveListeners(r)
	c.deriveGoogleEndpoints(r)
	c.deriveTracing(r)
}

func (c *Config) deriveRootKey(r *reader) {
	file, env := r.has("rootKey.file"), r.has("rootKey.env")
	switch {
	case file && env:
		r.fault("rootKey", "both file and env are given", "keep one")
	case r.has("rootKey") && !file && !env:
		r.fault("rootKey", "neither file nor env is given", "write {file: FILE} or {env: NAME}")
	default:
		c.RootKey.File = c.resolve(c.RootKey.File)
	}
}

func (c *Config) deriveListeners(r *reader) {
	if r.has("listeners") && len(c.Listeners) == 0 {
		r.fault("listeners", "the list is empty, so nobody could come in", "add one, such as {address: \":443\", tls: {…}}")
	}
	taken := map[string]string{}
	claim := func(key, address string) {
		if address == "" || isAnyPort(address) {
			return
		}
		if other, twice := taken[address]; twice {
			r.fault(key, fmt.Sprintf("%q is the address of %s already", address, other), "choose another port")
		}
		taken[address] = key
	}
	for i := range c.Listeners {
		l, at := &c.Listeners[i], fmt.Sprintf("listeners[%d]", i)
		claim(at+".address", l.Address)
		c.deriveListener(r, l, at)
	}
	claim("admin.address", c.Admin.Address)
	if g := c.GoogleEndpoints.GStatic; g != nil {
		claim("googleEndpoints.gstatic.address", g.Address)
	}
	if m := c.GoogleEndpoints.Metadata; m != nil {
		claim("googleEndpoints.metadata.address", m.Address)
	}
}

func (c *Config) deriveListener(r *reader, l *Listener, at string) {
	if l.Limits.MaxURLBytes > l.Limits.MaxHeaderBytes {
		r.fault(at+".limits.maxURLBytes", fmt.Sprintf("%d is more than maxHeaderBytes, %d, which holds for the address too", l.Limits.MaxURLBytes, l.Limits.MaxHeaderBytes), "raise maxHeaderBytes with it")
	}
	https := c.ExternalURL.Scheme == "https"
	switch {
	case l.TLS != nil && l.redirect != nil:
		r.fault(at+".redirectToHTTPS", "this listener answers TLS, so there is nothing to redirect", "remove the key")
	case l.redirect != nil && *l.redirect && c.ExternalURL.Scheme == "http":
		r.fault(at+".redirectToHTTPS", "externalURL is http, so there is no https address to redirect to", "remove the key, or write an https externalURL")
	case l.redirect != nil:
		l.RedirectToHTTPS = *l.redirect
	default:
		l.RedirectToHTTPS = l.TLS == nil && https
	}
	if l.TLS != nil && c.ExternalURL.Scheme == "http" {
		r.fault(at+".tls", "externalURL is http, so browsers would never be sent here", "write an https externalURL")
	}
	if l.TLS != nil {
		if r.has(at+".tls.certificates") && len(l.TLS.Certificates) == 0 {
			r.fault(at+".tls.certificates", "the list is empty, so no client could connect", "add {certFile: FILE, keyFile: FILE}")
		}
		for j := range l.TLS.Certificates {
			pair := &l.TLS.Certificates[j]
			pair.CertFile, pair.KeyFile = c.resolve(pair.CertFile), c.resolve(pair.KeyFile)
			pair.MinVersion = cmp.Or(pair.MinVersion, l.TLS.MinVersion)
		}
	}
	if l.ProxyProtocol != nil && r.has(at+".proxyProtocol.from") && len(l.ProxyProtocol.From) == 0 {
		r.fault(at+".proxyProtocol.from", "the list is empty, so nobody could connect", "name the networks of the load balancers")
	}
}

// isAnyPort reports whether the system chooses the port.
func isAnyPort(address string) bool {
	return len(address) > 2 && address[len(address)-2:] == ":0" || address == ":0"
}

// check looks at what the file names: files, directories, variables.
func (c *Config) check(r *reader, source Source) {
	c.checkRootKey(r, source)
	c.checkTracing(r, source)
	c.checkAudit(r)
	for i, l := range c.Listeners {
		if l.TLS == nil {
			continue
		}
		for j, pair := range l.TLS.Certificates {
			checkCertificate(r, fmt.Sprintf("listeners[%d].tls.certificates[%d]", i, j), pair)
		}
	}
	if g := c.GoogleEndpoints.GStatic; g != nil {
		checkCertificate(r, "googleEndpoints.gstatic", Certificate{CertFile: g.CertFile, KeyFile: g.KeyFile})
	}
	if dir := c.Pages.Templates; dir != "" {
		if info, err := os.Stat(dir); err != nil {
			r.fault("pages.templates", fileProblem(dir, err), "name a directory that is there")
		} else if !info.IsDir() {
			r.fault("pages.templates", dir+" is not a directory", "name the directory that the templates are in")
		}
	}
	for i, path := range c.Manifests {
		if path == "" {
			continue // found already
		}
		if _, err := os.Stat(path); err != nil {
			r.fault(fmt.Sprintf("manifests[%d]", i), fileProblem(path, err), "name a file or directory that is there")
		}
	}
}

func (c *Config) checkRootKey(r *reader, source Source) {
	switch {
	case c.RootKey.Env != "":
		value, found := source.LookupEnv(c.RootKey.Env)
		if !found {
			r.fault("rootKey.env", fmt.Sprintf("the variable %s is not set", c.RootKey.Env), "set it, or name a file")
			return
		}
		if _, err := sealing.ParseKeys(value); err != nil {
			r.fault("rootKey.env", fmt.Sprintf("the variable %s: %v", c.RootKey.Env, err), "")
		}
	case c.RootKey.File != "":
		_, err := sealing.ReadKeyFile(c.RootKey.File)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the store knows whether it may still be made
			r.fault("rootKey.file", err.Error(), "")
		}
	}
}

func checkCertificate(r *reader, at string, pair Certificate) {
	if pair.CertFile == "" || pair.KeyFile == "" {
		return // found already
	}
	var content [2][]byte
	readable := true
	for i, file := range []struct{ key, path string }{{at + ".certFile", pair.CertFile}, {at + ".keyFile", pair.KeyFile}} {
		text, info, err := regularfile.Read(file.path, maxFile)
		if err != nil {
			r.fault(file.key, fileProblem(file.path, err), "name a file that this user can read")
			readable = false
			continue
		}
		content[i] = text
		if i == 1 && info.Mode().Perm()&0o027 != 0 {
			r.fault(file.key, fmt.Sprintf("%s may be read or written by others (mode %04o)", file.path, info.Mode().Perm()), "run: chmod 600 "+file.path)
		}
	}
	if !readable {
		return
	}
	if _, err := tls.X509KeyPair(content[0], content[1]); err != nil {
		r.fault(at, fmt.Sprintf("%s and %s are not a pair: %v", pair.CertFile, pair.KeyFile, err), "")
	}
}

func fileProblem(path string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path + " does not exist"
	case errors.Is(err, fs.ErrPermission):
		return path + " may not be read by this user"
	default:
		return path + ": " + errors.Unwrap(err).Error()
	}
}
