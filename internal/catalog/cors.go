package catalog

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxCORSOrigins bounds what a request is compared with.
const maxCORSOrigins = 64

// validateCORSOrigins takes origins only as browsers write them (RFC 6454, 6.2), so that comparing bytes is
// comparing origins.
func (s Service) validateCORSOrigins() error {
	if len(s.CORSOrigins) > maxCORSOrigins {
		return fmt.Errorf("corsOrigins has %d entries; at most %d are compared with every request", len(s.CORSOrigins), maxCORSOrigins)
	}
	for i, origin := range s.CORSOrigins {
		if err := validateOrigin(origin); err != nil {
			return fmt.Errorf("corsOrigins[%d]: %w", i, err)
		}
		if slices.Contains(s.CORSOrigins[:i], origin) {
			return fmt.Errorf("corsOrigins[%d]: %s is listed twice", i, origin)
		}
	}
	return nil
}

func validateOrigin(origin string) error {
	switch {
	case strings.Contains(origin, "*"):
		return fmt.Errorf("%q: origins are listed one by one; a wildcard would let pages of strangers in", origin)
	case origin == "null":
		return fmt.Errorf("null is the origin of every sandboxed and local page, so it cannot be told who asks")
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("%q is not an origin: write https://HOST or https://HOST:PORT", origin)
	}
	host, err := CanonicalHost(u.Host)
	if err != nil {
		return fmt.Errorf("%q has a malformed host", origin)
	}
	if u.Scheme == "http" && host != "localhost" && !strings.HasSuffix(host, ".localhost") && host != "127.0.0.1" && host != "::1" {
		return fmt.Errorf("%q: over http anybody on the way can be that page: write https", origin)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	written := u.Scheme + "://" + host
	if port := u.Port(); port != "" {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			return fmt.Errorf("%q has no port from 1 to 65535", origin)
		}
		if !(u.Scheme == "https" && number == 443 || u.Scheme == "http" && number == 80) {
			written += ":" + strconv.FormatUint(number, 10)
		}
	}
	if written != origin {
		return fmt.Errorf("%q is not how browsers write the origin: write %s", origin, written)
	}
	return nil
}
