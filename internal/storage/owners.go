package storage

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// ownerStore keeps which manifest owns what. Requests do not read it, so it adds no change rows.
type ownerStore struct{ t *tx }

const ownerColumns = `kind, key, source, name, declares`

const putOwner = `INSERT INTO owners (` + ownerColumns + `) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (kind, key) DO UPDATE SET source = excluded.source, name = excluded.name, declares = excluded.declares`

func scanOwner(scan scanner) (admin.Owner, error) {
	var owner admin.Owner
	var declares string
	if err := scan(&owner.Kind, &owner.Key, &owner.Source, &owner.Name, &declares); err != nil {
		return owner, err
	}
	err := document(declares, &owner.Declares)
	return owner, err
}

func (s ownerStore) Owners(ctx context.Context) ([]admin.Owner, error) {
	var owners []admin.Owner
	err := s.t.query(ctx, func(scan scanner) error {
		owner, err := scanOwner(scan)
		owners = append(owners, owner)
		return err
	}, `SELECT `+ownerColumns+` FROM owners ORDER BY kind, key`)
	return owners, err
}

func (s ownerStore) Owner(ctx context.Context, kind admin.Kind, key string) (owner admin.Owner, found bool, err error) {
	found, err = s.t.row(ctx, func(scan scanner) (err error) {
		owner, err = scanOwner(scan)
		return err
	}, `SELECT `+ownerColumns+` FROM owners WHERE kind = $1 AND key = $2`, string(kind), key)
	return owner, found, err
}

func (s ownerStore) PutOwner(ctx context.Context, owner admin.Owner) error {
	declares, err := json.Marshal(owner.Declares) // "null" comes back as nil
	if err != nil {
		return err
	}
	_, err = s.t.exec(ctx, putOwner, string(owner.Kind), owner.Key, owner.Source, owner.Name, string(declares))
	return err
}

func (s ownerStore) DeleteOwner(ctx context.Context, kind admin.Kind, key string) error {
	_, err := s.t.exec(ctx, `DELETE FROM owners WHERE kind = $1 AND key = $2`, string(kind), key)
	return err
}
