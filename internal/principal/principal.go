// Package principal holds the vocabulary of who: identities, e-mail addresses and IAM members.
// It owns no storage and takes no decision.
package principal

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of account an identity is.
type Kind string

// The kinds of account that IAM members can name.
const (
	User           Kind = "user"
	ServiceAccount Kind = "serviceAccount"
)

// Namespace precedes every Google-shaped subject and address in assertions and identity headers.
const Namespace = "accounts.google.com:"

// Identity is one authenticated principal: whom a session or a bearer token speaks for.
type Identity struct {
	Kind Kind `json:"kind"`
	// Provider names who vouched for the identity; "local" for accounts of our own directory.
	Provider string `json:"provider"`
	// Subject is the stable number of the account, 21 digits, without namespace.
	Subject string `json:"subject"`
	// Email is the canonical address (ParseAddress), without namespace.
	Email string `json:"email"`
	// HostedDomain is the `hd` claim; empty for accounts that no organisation manages.
	HostedDomain string `json:"hostedDomain,omitempty"`
}

// IsZero reports whether the identity names nobody.
func (i Identity) IsZero() bool { return i.Subject == "" }

// ErrAddress is wrapped by every error of ParseAddress.
var ErrAddress = errors.New("not an e-mail address")

// ParseAddress returns the canonical form of an e-mail address: ASCII letters folded to lower case,
// nothing else changed. It refuses what two programs could read differently: other than exactly one
// "@", white space, control and non-ASCII bytes, quotes, a "%" (which an application may take for an escaped "@", and
// mail servers once took for one), an empty part, a domain with empty labels.
func ParseAddress(s string) (string, error) {
	local, domain, found := strings.Cut(s, "@")
	switch {
	case !found || strings.Contains(domain, "@"):
		return "", fmt.Errorf("%w: %q must have exactly one @", ErrAddress, s)
	case local == "" || len(s) > 254:
		return "", fmt.Errorf("%w: %q is empty before the @ or longer than 254 bytes", ErrAddress, s)
	}
	for i := 0; i < len(local); i++ {
		if c := local[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"%(),:;<>[\]`, c) >= 0 {
			return "", fmt.Errorf("%w: %q has a character before the @ that addresses here may not have", ErrAddress, s)
		}
	}
	if err := checkDomain(domain); err != nil {
		return "", fmt.Errorf("%w: %q: %w", ErrAddress, s, err)
	}
	return foldASCII(s), nil
}

// ParseDomain returns the canonical form of a DNS domain as `domain:` members name it.
func ParseDomain(s string) (string, error) {
	if err := checkDomain(s); err != nil {
		return "", err
	}
	return foldASCII(s), nil
}

// Domain returns what stands after the @ of a canonical address.
func Domain(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}

func checkDomain(domain string) error {
	if domain == "" {
		return errors.New("the domain is empty")
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("the domain %q has an empty or overlong label", domain)
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
				return fmt.Errorf("the domain %q has a character other than letters, digits and hyphens", domain)
			}
		}
	}
	return nil
}

func foldASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if b[j] >= 'A' && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
