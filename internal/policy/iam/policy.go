// Package iam owns IAM policies: their documents, what a document may say, and the compiled form that
// grants or refuses in constant time however many members a policy names.
package iam

import (
	"context"
	"errors"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Policy is google.iam.v1.Policy, as gcloud reads and writes it.
type Policy struct {
	Version  int       `json:"version,omitempty"`
	Bindings []Binding `json:"bindings,omitempty"`
	// Etag names this version of the document; base64. Empty on a write overwrites blindly, as in IAM.
	Etag string `json:"etag,omitempty"`
}

// Binding grants one role to members.
type Binding struct {
	Role    string   `json:"role"`
	Members []string `json:"members"`
}

// The roles that decisions read.
const (
	RoleHTTPSResourceAccessor = "roles/iap.httpsResourceAccessor"
	RoleOwner                 = "roles/owner"
)

// ErrInvalid is wrapped by every refusal of a policy document.
var ErrInvalid = errors.New("invalid policy")

// ErrEtag reports that the stored policy has changed since its etag was read.
var ErrEtag = errors.New("the policy has changed since it was read")

// Reader is what the snapshot reads of stored policies.
type Reader interface {
	// Policies returns every stored policy by resource.
	Policies(ctx context.Context) (map[resource.Name]Policy, error)
	// Policy returns the stored policy; one without bindings and with EmptyEtag where none is stored.
	Policy(ctx context.Context, name resource.Name) (Policy, error)
}

// EmptyEtag is the etag of a policy that was never written, the one that IAM itself uses.
const EmptyEtag = "ACAB"

// Store is what administration reads and writes.
type Store interface {
	Reader
	// PutPolicy replaces the policy. expected is the etag that must be stored now, or empty for any;
	// otherwise ErrEtag. It returns the stored policy with its new etag.
	PutPolicy(ctx context.Context, name resource.Name, policy Policy, expected string) (Policy, error)
}
