package adminclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// IapSettings returns what stands on a resource itself.
func (c *Client) IapSettings(ctx context.Context, resource string) (settings.Document, error) {
	return get[settings.Document](ctx, c, "/v1/"+path(resource)+":iapSettings")
}

// UpdateIapSettings replaces the fields of a mask in the settings of a resource, all of them when it is empty; with an
// etag only if that is still the stored one.
func (c *Client) UpdateIapSettings(ctx context.Context, resource string, d settings.Document, updateMask string) (stored settings.Document, err error) {
	address := "/v1/" + path(resource) + ":iapSettings"
	if updateMask != "" {
		address += "?" + url.Values{"updateMask": {updateMask}}.Encode()
	}
	err = c.call(ctx, http.MethodPatch, address, d, &stored)
	return stored, err
}

// EffectiveSettings returns what holds on a resource after inheritance.
func (c *Client) EffectiveSettings(ctx context.Context, resource string) (admin.EffectiveSettings, error) {
	return get[admin.EffectiveSettings](ctx, c, "/gatehouse/v1/effective/"+path(resource)+":iapSettings")
}
