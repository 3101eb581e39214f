package adminclient

import (
	"context"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

func accountKeys(email string) string {
	return prefix + ServiceAccounts + "/" + segment(email) + "/keys"
}

// AccountKeys lists the keys of a service account.
func (c *Client) AccountKeys(ctx context.Context, email string) ([]admin.AccountKey, error) {
	return listing[admin.AccountKey](ctx, c, accountKeys(email), "keys")
}

// CreateAccountKey gives a service account another public key.
func (c *Client) CreateAccountKey(ctx context.Context, email string, key admin.NewAccountKey) (admin.CreatedAccountKey, error) {
	return post[admin.CreatedAccountKey](ctx, c, accountKeys(email), key)
}

// SetAccountKeyDisabled switches a key of a service account off or on again.
func (c *Client) SetAccountKeyDisabled(ctx context.Context, email, id string, disabled bool) error {
	verb := ":enable"
	if disabled {
		verb = ":disable"
	}
	_, err := post[struct{}](ctx, c, accountKeys(email)+"/"+segment(id)+verb, nil)
	return err
}

// DeleteAccountKey deletes a key of a service account.
func (c *Client) DeleteAccountKey(ctx context.Context, email, id string) error {
	return c.call(ctx, http.MethodDelete, accountKeys(email)+"/"+segment(id), nil, &struct{}{})
}
