package admin

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// AccountKey is the public form of a service account's key, as Google's IAM API has it.
type AccountKey struct {
	// Name is projects/PROJECT/serviceAccounts/ADDRESS/keys/ID.
	Name            string    `json:"name"`
	KeyAlgorithm    string    `json:"keyAlgorithm"`
	KeyOrigin       string    `json:"keyOrigin"` // GOOGLE_PROVIDED of `keys create`, USER_PROVIDED of `keys upload`
	KeyType         string    `json:"keyType"`
	ValidAfterTime  time.Time `json:"validAfterTime"`
	ValidBeforeTime time.Time `json:"validBeforeTime,omitzero"`
	Disabled        bool      `json:"disabled,omitempty"`
	// PublicKeyData is the public key, PKIX DER.
	PublicKeyData []byte `json:"publicKeyData,omitempty"`
}

// NewAccountKey is the body of serviceAccounts/ADDRESS/keys. The private half never comes here.
type NewAccountKey struct {
	// PublicKey is an RSA public key or an X.509 certificate, in PEM.
	PublicKey string `json:"publicKey"`
	// Uploaded says that the pair was made elsewhere.
	Uploaded bool `json:"uploaded,omitempty"`
	// ValidFor is for how many seconds the key counts; 0 for ever.
	ValidFor int64 `json:"validFor,omitempty"`
}

// CreatedAccountKey is a key with what a key file says besides.
type CreatedAccountKey struct {
	AccountKey
	ID        string `json:"id"`
	Email     string `json:"email"`
	ClientID  string `json:"clientId"` // the account's number
	ProjectID string `json:"projectId"`
	AuthURL   string `json:"authUrl"` // of the auth host
	TokenURL  string `json:"tokenUrl"`
}

func (a *Admin) publicAccountKey(k directory.AccountKey) AccountKey {
	key := AccountKey{
		Name:         "projects/" + a.ProjectID + "/serviceAccounts/" + k.Account + "/keys/" + k.ID,
		KeyAlgorithm: "KEY_ALG_RSA_" + strconv.Itoa(k.Bits()), KeyOrigin: "GOOGLE_PROVIDED", KeyType: "USER_MANAGED",
		ValidAfterTime: k.Created, ValidBeforeTime: k.Expires, Disabled: k.Disabled, PublicKeyData: k.Public,
	}
	if k.Uploaded {
		key.KeyOrigin = "USER_PROVIDED"
	}
	return key
}

// AccountKeys lists the keys of a service account, oldest first.
func (a *Admin) AccountKeys(ctx context.Context, email string) (keys []AccountKey, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		account, err := storedAccount(ctx, tx, principal.ServiceAccount, email)
		if err != nil {
			return err
		}
		stored, err := keysOf(ctx, tx, account.Email)
		for _, key := range stored {
			keys = append(keys, a.publicAccountKey(key))
		}
		return err
	})
	return keys, err
}

func keysOf(ctx context.Context, tx Tx, email string) (keys []directory.AccountKey, err error) {
	all, err := tx.AccountKeys().AccountKeys(ctx)
	for _, key := range all {
		if key.Account == email {
			keys = append(keys, key)
		}
	}
	return keys, err
}

// CreateAccountKey gives a service account another public key to be proved by.
func (a *Admin) CreateAccountKey(ctx context.Context, actor audit.Actor, email string, request NewAccountKey) (created CreatedAccountKey, err error) {
	public, err := directory.ParsePublicKey([]byte(request.PublicKey))
	if err != nil {
		return CreatedAccountKey{}, err
	}
	if longest := int64(100 * 365 * 24 * time.Hour / time.Second); request.ValidFor < 0 || request.ValidFor > longest {
		return CreatedAccountKey{}, fmt.Errorf("%w: a key is valid for 0 (for ever) to %d seconds", ErrInvalid, longest)
	}
	now := a.Now().UTC().Truncate(time.Microsecond)
	key := directory.AccountKey{ID: directory.AccountKeyID(public), Public: public, Created: now, Uploaded: request.Uploaded}
	if request.ValidFor > 0 {
		key.Expires = now.Add(time.Duration(request.ValidFor) * time.Second)
	}
	err = a.change(ctx, actor, "serviceAccounts.keys.create", email, func(tx Tx, entry *audit.Entry) error {
		account, err := storedAccount(ctx, tx, principal.ServiceAccount, email)
		if err != nil {
			return err
		}
		key.Account, entry.Target = account.Email, account.Email
		if err := key.Validate(); err != nil {
			return err
		}
		keys, err := keysOf(ctx, tx, account.Email)
		if err != nil {
			return err
		}
		if len(keys) >= directory.MaxAccountKeys {
			return fmt.Errorf("%w: %s has %d keys, which is the most: delete one that is not used any more", ErrPrecondition, account.Email, len(keys))
		}
		if err := tx.AccountKeys().CreateAccountKey(ctx, key); err != nil {
			return fmt.Errorf("key %s: %w", key.ID, err)
		}
		created = CreatedAccountKey{
			AccountKey: a.publicAccountKey(key), ID: key.ID, Email: account.Email, ClientID: account.Subject,
			ProjectID: a.ProjectID, AuthURL: a.AuthURL, TokenURL: cmp.Or(a.TokenURL, a.AuthURL+"/token"),
		}
		return recordChange(entry, nil, created.AccountKey)
	})
	return created, err
}

// SetAccountKeyDisabled switches a key of a service account off or on again.
func (a *Admin) SetAccountKeyDisabled(ctx context.Context, actor audit.Actor, email, id string, disabled bool) error {
	action := "serviceAccounts.keys.enable"
	if disabled {
		action = "serviceAccounts.keys.disable"
	}
	return a.changeAccountKey(ctx, actor, email, id, action, func(tx Tx, entry *audit.Entry, key directory.AccountKey) error {
		before := a.publicAccountKey(key)
		key.Disabled = disabled
		if err := recordChange(entry, before, a.publicAccountKey(key)); err != nil {
			return err
		}
		return tx.AccountKeys().SetAccountKeyDisabled(ctx, id, disabled)
	})
}

// DeleteAccountKey deletes a key. What it signed is refused from now on.
func (a *Admin) DeleteAccountKey(ctx context.Context, actor audit.Actor, email, id string) error {
	return a.changeAccountKey(ctx, actor, email, id, "serviceAccounts.keys.delete", func(tx Tx, entry *audit.Entry, key directory.AccountKey) error {
		if err := recordChange(entry, a.publicAccountKey(key), nil); err != nil {
			return err
		}
		return tx.AccountKeys().DeleteAccountKey(ctx, id)
	})
}

func (a *Admin) changeAccountKey(
	ctx context.Context, actor audit.Actor, email, id, action string, f func(Tx, *audit.Entry, directory.AccountKey) error,
) error {
	return a.change(ctx, actor, action, email, func(tx Tx, entry *audit.Entry) error {
		account, err := storedAccount(ctx, tx, principal.ServiceAccount, email)
		if err != nil {
			return err
		}
		key, err := tx.AccountKeys().AccountKey(ctx, id)
		if err == nil && key.Account != account.Email {
			err = directory.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("key %s of %s: %w", id, account.Email, err)
		}
		entry.Target = account.Email
		return f(tx, entry, key)
	})
}
