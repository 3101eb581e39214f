package principal

import (
	"errors"
	"fmt"
	"strings"
)

// MemberKind is what stands before the colon of an IAM member.
type MemberKind string

// The members that policies here may name.
const (
	MemberUser             MemberKind = "user"
	MemberServiceAccount   MemberKind = "serviceAccount"
	MemberGroup            MemberKind = "group"
	MemberDomain           MemberKind = "domain"
	MemberAllUsers         MemberKind = "allUsers"
	MemberAllAuthenticated MemberKind = "allAuthenticatedUsers"
)

// Member is one entry of a binding's member list, in canonical form.
type Member struct {
	Kind  MemberKind
	Value string // canonical address or domain; empty for allUsers and allAuthenticatedUsers
}

// ErrMember is wrapped by every error of ParseMember.
var ErrMember = errors.New("not an IAM member")

// ParseMember reads a member as IAM writes it, such as "user:alice@example.com".
func ParseMember(s string) (Member, error) {
	kind, value, found := strings.Cut(s, ":")
	member := Member{Kind: MemberKind(kind), Value: value}
	var err error
	switch member.Kind {
	case MemberAllUsers, MemberAllAuthenticated:
		if found {
			return Member{}, fmt.Errorf("%w: %q: %s stands alone, without a colon", ErrMember, s, kind)
		}
		return member, nil
	case MemberUser, MemberServiceAccount, MemberGroup:
		member.Value, err = ParseAddress(value)
	case MemberDomain:
		member.Value, err = ParseDomain(value)
	default:
		return Member{}, fmt.Errorf("%w: %q: use user:, group:, serviceAccount:, domain:, allUsers or allAuthenticatedUsers", ErrMember, s)
	}
	if err != nil {
		return Member{}, fmt.Errorf("%w: %q: %w", ErrMember, s, err)
	}
	return member, nil
}

// String returns the member as IAM writes it.
func (m Member) String() string {
	if m.Kind == MemberAllUsers || m.Kind == MemberAllAuthenticated {
		return string(m.Kind)
	}
	return string(m.Kind) + ":" + m.Value
}

// Member returns the member that names exactly this identity.
func (i Identity) Member() Member {
	if i.Kind == ServiceAccount {
		return Member{Kind: MemberServiceAccount, Value: i.Email}
	}
	return Member{Kind: MemberUser, Value: i.Email}
}
