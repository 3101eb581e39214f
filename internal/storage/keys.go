package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// keyStore keeps signing keys, their private halves sealed.
type keyStore struct{ t *tx }

func (s keyStore) Keys(ctx context.Context) ([]issuer.Key, error) {
	var keys []issuer.Key
	err := s.t.query(ctx, func(scan scanner) error {
		var k issuer.Key
		var created, signFrom int64
		var signUntil, publishUntil, revoked sql.NullInt64
		err := scan(&k.ID, &k.Purpose, &k.Sealed, &k.Public, &created, &signFrom, &signUntil, &publishUntil, &revoked)
		if err != nil {
			return err
		}
		k.Created, k.SignFrom = moment(created), moment(signFrom)
		k.SignUntil, k.PublishUntil = optionalMoment(signUntil), optionalMoment(publishUntil)
		k.Revoked = optionalMoment(revoked)
		keys = append(keys, k)
		return nil
	}, `SELECT id, purpose, sealed, public, created, sign_from, sign_until, publish_until, revoked
		FROM signing_keys ORDER BY created, id`)
	return keys, err
}

// PutKey replaces, of a key that is stored, its times and its sealed form (which a new root key changes). Which
// key it is, purpose and public half, never changes under an id.
func (s keyStore) PutKey(ctx context.Context, key issuer.Key) error {
	if key.ID == "" || len(key.Sealed) == 0 || len(key.Public) == 0 {
		return errors.New("a signing key needs an id, a sealed private key and a public key")
	}
	put, err := s.t.exec(ctx, `INSERT INTO signing_keys
		(id, purpose, sealed, public, created, sign_from, sign_until, publish_until, revoked)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, sign_from = excluded.sign_from,
			sign_until = excluded.sign_until, publish_until = excluded.publish_until, revoked = excluded.revoked
		WHERE signing_keys.purpose = excluded.purpose AND signing_keys.public = excluded.public`,
		key.ID, string(key.Purpose), key.Sealed, key.Public, micros(key.Created), micros(key.SignFrom),
		optional(key.SignUntil), optional(key.PublishUntil), optional(key.Revoked))
	if err != nil {
		return err
	}
	if put == 0 {
		return fmt.Errorf("signing key id %s is taken by another key; draw a new one", key.ID)
	}
	_, err = s.t.change(ctx, snapshot.KeyChanged, key.ID)
	return err
}
