package oauthserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
)

// loopback is the one form of redirect URI: the person's own computer by its address or as localhost, any port, a plain
// path (RFC 8252, 7.3). It is written so that no two programs can read it differently, and is held against what the code
// was asked for byte by byte.
var loopback = regexp.MustCompile(`^http://(?:127\.0\.0\.1|localhost|\[::1\])(?::([1-9][0-9]{0,4}))?(/[A-Za-z0-9._~/-]*)?$`)

const maxRedirectURI = 256

// checkRedirectURI reports whether a program with a client id may be answered at an address.
func checkRedirectURI(uri, client string) bool {
	if len(uri) > maxRedirectURI {
		return false
	}
	match := loopback.FindStringSubmatch(uri)
	if match == nil {
		return false
	}
	if port, err := strconv.Atoi(match[1]); match[1] != "" && (err != nil || port > 65535) {
		return false
	}
	path := match[2]
	if client == catalog.CommandLineClientID {
		return path == "" || path == "/"
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if segment == "." || segment == ".." || segment == "" && strings.Contains(path, "//") {
			return false
		}
	}
	return true
}

// back returns a redirect URI, which has no query of its own, with the parameters of an answer.
func back(uri string, parameters url.Values) string { return uri + "?" + parameters.Encode() }

// isChallenge reports whether s can be a PKCE challenge: the SHA-256 of a verifier.
func isChallenge(s string) bool {
	b, err := encoding.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// provesChallenge reports whether a PKCE verifier is the one behind a challenge.
func provesChallenge(verifier, challenge string) bool {
	if !verifierForm.MatchString(verifier) {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(encoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}
