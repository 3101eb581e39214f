package admin

import (
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

const verbSettings = "iapSettings"

// settingsOf returns the resource of GET and PATCH /v1/{name=**}:iapSettings.
func (a *Admin) settingsOf(c call) (resource.Name, error) {
	written, verb, err := c.verb(c.PathValue("resource"))
	if err != nil {
		return "", err
	}
	if verb != verbSettings {
		return "", c.noRoute()
	}
	return a.Resolve(c.Context(), written)
}

func (a *Admin) getSettings(c call) (any, error) {
	name, err := a.settingsOf(c)
	if err != nil {
		return nil, err
	}
	return a.IapSettings(c.Context(), name)
}

func (a *Admin) patchSettings(c call) (any, error) {
	name, err := a.settingsOf(c)
	if err != nil {
		return nil, err
	}
	mask, err := updateMask(c)
	if err != nil {
		return nil, err
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	d, err := settings.Parse(body)
	if err != nil {
		return nil, err
	}
	if d.Name != "" { // in Google's API the name in the body is that of the path
		named, err := a.Resolve(c.Context(), d.Name)
		if err != nil {
			return nil, err
		}
		if named != name {
			return nil, fmt.Errorf("%w: the document is about %s, and the request about %s: take name out of the document if that is meant", ErrInvalid, named, name)
		}
	}
	return a.UpdateIapSettings(c.Context(), c.actor, name, d, mask)
}

// updateMask reads the parameter by either of its names; given twice, nothing says which was meant.
func updateMask(c call) (settings.Mask, error) {
	query := c.URL.Query()
	values := append(query["updateMask"], query["update_mask"]...)
	switch len(values) {
	case 0:
		return nil, nil
	case 1:
		return settings.ParseMask(values[0])
	default:
		return nil, fmt.Errorf("%w: updateMask is given more than once", ErrInvalid)
	}
}

func (a *Admin) getEffectiveSettings(c call) (any, error) {
	name, err := a.settingsOf(c)
	if err != nil {
		return nil, err
	}
	return a.EffectiveSettings(c.Context(), name)
}
