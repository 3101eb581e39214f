package adminclient

import (
	"context"
	"net/url"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// Upstreams lists the addresses of all applications, or of those of the service with this name.
func (c *Client) Upstreams(ctx context.Context, service string) ([]admin.UpstreamAddress, error) {
	path := prefix + "upstreams"
	if service != "" {
		path += "?" + url.Values{"service": {service}}.Encode()
	}
	return listing[admin.UpstreamAddress](ctx, c, path, "upstreams")
}
