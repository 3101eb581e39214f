package storage

import (
	"context"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
)

// linkStore keeps who is who: what issuers call people, and the numbers that name them here.
type linkStore struct{ t *tx }

const (
	linkColumns = `issuer, subject, number, email, created, last_sign_in`
	selectLink  = `SELECT ` + linkColumns + ` FROM federated_subjects WHERE issuer = $1 AND subject = $2`
	touchLink   = `UPDATE federated_subjects SET email = $1, last_sign_in = $2 WHERE issuer = $3 AND subject = $4`
)

func scanLink(scan scanner) (identityprovider.Link, error) {
	var l identityprovider.Link
	var created, last int64
	err := scan(&l.Issuer, &l.Subject, &l.Number, &l.Email, &created, &last)
	l.Created, l.LastSignIn = moment(created), moment(last)
	return l, err
}

// Link stores a new link, or notes the sign-in of one that is there; see identityprovider.Linker.
func (s linkStore) Link(ctx context.Context, link identityprovider.Link) (identityprovider.Link, error) {
	stored, found, err := s.link(ctx, link.Issuer, link.Subject)
	if err != nil {
		return identityprovider.Link{}, err
	}
	if !found {
		return link, s.PutLink(ctx, link)
	}
	stored.Email, stored.LastSignIn = link.Email, link.LastSignIn
	_, err = s.t.exec(ctx, touchLink, stored.Email, micros(stored.LastSignIn), stored.Issuer, stored.Subject)
	return stored, err
}

// Number returns the number of a person for whom an identity provider vouches. It writes only when it is drawn: for
// somebody who was never here.
func (db *DB) Number(ctx context.Context, link identityprovider.Link) (string, error) {
	var stored identityprovider.Link
	var found bool
	err := db.read(ctx, func(t *tx) (err error) {
		stored, found, err = linkStore{t}.link(ctx, link.Issuer, link.Subject)
		return err
	})
	if err == nil && !found {
		err = db.write(ctx, func(t *tx) (err error) {
			stored, err = linkStore{t}.Link(ctx, link)
			return err
		})
	}
	return stored.Number, err
}

func (s linkStore) link(ctx context.Context, issuer, subject string) (link identityprovider.Link, found bool, err error) {
	found, err = s.t.row(ctx, func(scan scanner) (err error) {
		link, err = scanLink(scan)
		return err
	}, selectLink, issuer, subject)
	return link, found, err
}

func (s linkStore) Links(ctx context.Context, email string) ([]identityprovider.Link, error) {
	var links []identityprovider.Link
	err := s.t.query(ctx, func(scan scanner) error {
		link, err := scanLink(scan)
		links = append(links, link)
		return err
	}, `SELECT `+linkColumns+` FROM federated_subjects WHERE $1 = '' OR email = $1 ORDER BY issuer, subject`, email)
	return links, err
}

// PutLink refuses a number that names somebody else, of another provider or of our own directory.
func (s linkStore) PutLink(ctx context.Context, link identityprovider.Link) error {
	taken, err := s.t.exists(ctx, `SELECT 1 FROM federated_subjects WHERE number = $1 AND NOT (issuer = $2 AND subject = $3)
		UNION ALL SELECT 1 FROM accounts WHERE subject = $1`, link.Number, link.Issuer, link.Subject)
	if err != nil {
		return err
	}
	if taken {
		return identityprovider.ErrNumberTaken
	}
	_, err = s.t.exec(ctx, `INSERT INTO federated_subjects (`+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (issuer, subject) DO UPDATE
		SET number = excluded.number, email = excluded.email, created = excluded.created, last_sign_in = excluded.last_sign_in`,
		link.Issuer, link.Subject, link.Number, link.Email, micros(link.Created), micros(link.LastSignIn))
	return err
}

func (s linkStore) DeleteLink(ctx context.Context, issuer, subject string) error {
	deleted, err := s.t.exec(ctx, `DELETE FROM federated_subjects WHERE issuer = $1 AND subject = $2`, issuer, subject)
	if err == nil && deleted == 0 {
		err = identityprovider.ErrNoLink
	}
	return err
}
