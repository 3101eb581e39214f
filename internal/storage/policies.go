package storage

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// policyStore keeps IAM policies as documents. A policy without bindings keeps its row: were it removed, its
// etag would be EmptyEtag again, and a writer who read the policy before it was first set would not notice.
type policyStore struct{ t *tx }

func (s policyStore) Policies(ctx context.Context) (map[resource.Name]iam.Policy, error) {
	policies := map[resource.Name]iam.Policy{}
	err := s.t.query(ctx, func(scan scanner) error {
		var name resource.Name
		policy, err := scanPolicy(scan, &name)
		policies[name] = policy
		return err
	}, `SELECT etag, document, resource FROM policies`)
	return policies, err
}

func (s policyStore) Policy(ctx context.Context, name resource.Name) (iam.Policy, error) {
	policy := iam.Policy{Etag: iam.EmptyEtag}
	_, err := s.t.row(ctx, func(scan scanner) (err error) {
		policy, err = scanPolicy(scan)
		return err
	}, `SELECT etag, document FROM policies WHERE resource = $1`, string(name))
	return policy, err
}

// scanPolicy reads etag and document, then further columns.
func scanPolicy(scan scanner, further ...any) (iam.Policy, error) {
	var policy iam.Policy
	var etag, text string
	if err := scan(append([]any{&etag, &text}, further...)...); err != nil {
		return policy, err
	}
	err := document(text, &policy)
	policy.Etag = etag
	return policy, err
}

func (s policyStore) PutPolicy(ctx context.Context, name resource.Name, policy iam.Policy, expected string) (iam.Policy, error) {
	if expected != "" {
		stored, err := s.Policy(ctx, name)
		if err != nil {
			return iam.Policy{}, err
		}
		if stored.Etag != expected {
			return iam.Policy{}, iam.ErrEtag
		}
	}
	policy.Etag = "" // has a column of its own
	text, err := json.Marshal(policy)
	if err != nil {
		return iam.Policy{}, err
	}
	position, err := s.t.change(ctx, snapshot.PolicyChanged, string(name))
	if err != nil {
		return iam.Policy{}, err
	}
	policy.Etag = etag(position)
	_, err = s.t.exec(ctx, `INSERT INTO policies (resource, etag, document) VALUES ($1, $2, $3)
		ON CONFLICT (resource) DO UPDATE SET etag = excluded.etag, document = excluded.document`,
		string(name), policy.Etag, string(text))
	return policy, err
}

// etag names a version of a document by the position of the change that made it, which never comes twice.
func etag(position int64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(position)))
}
