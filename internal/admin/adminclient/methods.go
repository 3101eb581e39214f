package adminclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
)

// The collections of accounts.
const (
	Users           = "users"
	ServiceAccounts = "serviceAccounts"
)

const prefix = "/gatehouse/v1/"

func get[T any](ctx context.Context, c *Client, path string) (out T, err error) {
	err = c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

func post[T any](ctx context.Context, c *Client, path string, in any) (out T, err error) {
	err = c.call(ctx, http.MethodPost, path, in, &out)
	return out, err
}

// listing reads the one list of an answer.
func listing[T any](ctx context.Context, c *Client, path, name string) ([]T, error) {
	answer, err := get[map[string][]T](ctx, c, path)
	return answer[name], err
}

// Project returns the project that the server serves.
func (c *Client) Project(ctx context.Context) (admin.Project, error) {
	return get[admin.Project](ctx, c, prefix+"project")
}

// SetIAPEnabled turns the gate of a service on or off.
func (c *Client) SetIAPEnabled(ctx context.Context, resource string, on bool) (admin.IAPState, error) {
	verb := ":disable"
	if on {
		verb = ":enable"
	}
	return post[admin.IAPState](ctx, c, prefix+"iap/"+path(resource)+verb, nil)
}

// Accounts lists a collection.
func (c *Client) Accounts(ctx context.Context, collection string) ([]admin.Account, error) {
	return listing[admin.Account](ctx, c, prefix+collection, "accounts")
}

// Account returns one account of a collection.
func (c *Client) Account(ctx context.Context, collection, email string) (admin.Account, error) {
	return get[admin.Account](ctx, c, prefix+collection+"/"+segment(email))
}

// CreateAccount creates an account in a collection.
func (c *Client) CreateAccount(ctx context.Context, collection string, account admin.NewAccount) (admin.Account, error) {
	return post[admin.Account](ctx, c, prefix+collection, account)
}

// SetPassword gives a user a new password; it returns how many sessions that ended.
func (c *Client) SetPassword(ctx context.Context, email, password string) (int, error) {
	ended, err := post[admin.Ended](ctx, c, prefix+Users+"/"+segment(email)+":setPassword", admin.NewPassword{Password: password})
	return ended.Sessions, err
}

// SetDisabled suspends an account or admits it again.
func (c *Client) SetDisabled(ctx context.Context, collection, email string, disabled bool) error {
	verb := ":enable"
	if disabled {
		verb = ":disable"
	}
	_, err := post[struct{}](ctx, c, prefix+collection+"/"+segment(email)+verb, nil)
	return err
}

// DeleteAccount removes an account; it returns what still names it.
func (c *Client) DeleteAccount(ctx context.Context, collection, email string) (left admin.Mentions, err error) {
	err = c.call(ctx, http.MethodDelete, prefix+collection+"/"+segment(email), nil, &left)
	return left, err
}

// Groups lists the groups.
func (c *Client) Groups(ctx context.Context) ([]admin.GroupSummary, error) {
	return listing[admin.GroupSummary](ctx, c, prefix+"groups", "groups")
}

// Group returns one group with its members.
func (c *Client) Group(ctx context.Context, email string) (directory.Group, error) {
	return get[directory.Group](ctx, c, prefix+"groups/"+segment(email))
}

// CreateGroup creates a group.
func (c *Client) CreateGroup(ctx context.Context, group directory.Group) (admin.GroupChange, error) {
	return post[admin.GroupChange](ctx, c, prefix+"groups", group)
}

// AddGroupMembers adds members to a group.
func (c *Client) AddGroupMembers(ctx context.Context, email string, members []string) (admin.GroupChange, error) {
	return post[admin.GroupChange](ctx, c, prefix+"groups/"+segment(email)+":addMembers", admin.GroupMembers{Members: members})
}

// RemoveGroupMembers removes members from a group.
func (c *Client) RemoveGroupMembers(ctx context.Context, email string, members []string) (admin.GroupChange, error) {
	return post[admin.GroupChange](ctx, c, prefix+"groups/"+segment(email)+":removeMembers", admin.GroupMembers{Members: members})
}

// DeleteGroup removes a group; it returns what still names it.
func (c *Client) DeleteGroup(ctx context.Context, email string) (left admin.Mentions, err error) {
	err = c.call(ctx, http.MethodDelete, prefix+"groups/"+segment(email), nil, &left)
	return left, err
}

// Keys lists the signing keys.
func (c *Client) Keys(ctx context.Context) ([]admin.Key, error) {
	return listing[admin.Key](ctx, c, prefix+"keys", "keys")
}

// RotateKey plans the next key of a purpose, or lets it sign at once.
func (c *Client) RotateKey(ctx context.Context, purpose issuer.Purpose, now bool) (admin.Rotation, error) {
	return post[admin.Rotation](ctx, c, prefix+"keys/"+segment(string(purpose))+":rotate", admin.KeyRotation{Now: now})
}

// RevokeKey withdraws a key at once.
func (c *Client) RevokeKey(ctx context.Context, kid string) (admin.Rotation, error) {
	return post[admin.Rotation](ctx, c, prefix+"keys/"+segment(kid)+":revoke", nil)
}

// Sessions lists live sessions; zero fields of the filter select all.
func (c *Client) Sessions(ctx context.Context, filter admin.SessionFilter) ([]admin.Session, error) {
	query := url.Values{}
	if filter.ID != "" {
		query.Set("id", filter.ID)
	}
	if filter.Email != "" {
		query.Set("email", filter.Email)
	}
	return listing[admin.Session](ctx, c, prefix+"sessions?"+query.Encode(), "sessions")
}

// EndSessions ends the selected sessions; it returns how many there were.
func (c *Client) EndSessions(ctx context.Context, filter admin.SessionFilter) (int, error) {
	ended, err := post[admin.Ended](ctx, c, prefix+"sessions/-:revoke", filter)
	return ended.Sessions, err
}

// Explain looks a decision up.
func (c *Client) Explain(ctx context.Context, id string) (admin.Explanation, error) {
	return get[admin.Explanation](ctx, c, prefix+"decisions/"+segment(id))
}

// Entries returns the newest administrative entries.
func (c *Client) Entries(ctx context.Context, limit int) ([]audit.Entry, error) {
	return listing[audit.Entry](ctx, c, prefix+"entries?limit="+strconv.Itoa(limit), "entries")
}

// Providers lists the identity providers.
func (c *Client) Providers(ctx context.Context) ([]identityprovider.Provider, error) {
	return listing[identityprovider.Provider](ctx, c, prefix+"identityProviders", "identityProviders")
}

// PutProvider creates or replaces an identity provider.
func (c *Client) PutProvider(ctx context.Context, provider identityprovider.Provider) error {
	return c.call(ctx, http.MethodPut, prefix+"identityProviders/"+segment(provider.Name), provider, nil)
}

// DeleteProvider removes an identity provider.
func (c *Client) DeleteProvider(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, prefix+"identityProviders/"+segment(name), nil, nil)
}

// Relink moves a person's number to what another provider calls that person.
func (c *Client) Relink(ctx context.Context, email string, r admin.Relinking) (identityprovider.Link, error) {
	return post[identityprovider.Link](ctx, c, prefix+Users+"/"+segment(email)+":relink", r)
}
