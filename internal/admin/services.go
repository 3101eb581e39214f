package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Services lists the services behind the gate.
func (a *Admin) Services(ctx context.Context) (services []catalog.Service, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		services, err = tx.Catalog().Services(ctx)
		return err
	})
	return services, err
}

// PutService creates or replaces a service. It must be of this server's project, and fit the other services.
func (a *Admin) PutService(ctx context.Context, actor audit.Actor, service catalog.Service) error {
	if err := service.Validate(); err != nil {
		return err
	}
	if service.ProjectID != a.ProjectID || service.ProjectNumber != a.ProjectNumber {
		return fmt.Errorf("%w: service %q is of project %s (%d), this server's is %s (%d)", ErrInvalid, service.Name,
			service.ProjectID, service.ProjectNumber, a.ProjectID, a.ProjectNumber)
	}
	name := service.Service.Name()
	return a.change(ctx, actor, "services.put", string(name), func(tx Tx, entry *audit.Entry) error {
		if err := free(ctx, tx, Kind(service.Kind), string(name)); err != nil {
			return err
		}
		services, err := tx.Catalog().Services(ctx)
		if err != nil {
			return err
		}
		next := map[resource.Name]*catalog.Service{name: &service}
		for _, other := range services {
			if other.Service.Name() == name {
				if err := recordChange(entry, other, nil); err != nil {
					return err
				}
				continue
			}
			if other.Name == service.Name {
				return fmt.Errorf("%w: %s is already called %q", ErrInvalid, other.Service.Name(), service.Name)
			}
			next[other.Service.Name()] = &other
		}
		if _, err := catalog.NewTable().With(next); err != nil {
			return err
		}
		if err := recordChange(entry, nil, service); err != nil {
			return err
		}
		return tx.Catalog().PutService(ctx, service)
	})
}

// IAPState says whether the gate is on for a service.
type IAPState struct {
	Resource resource.Name `json:"resource"`
	Service  string        `json:"service"` // what people call it
	Enabled  bool          `json:"enabled"`
}

// SetIAPEnabled turns the gate of a service on or off.
func (a *Admin) SetIAPEnabled(ctx context.Context, actor audit.Actor, name resource.Name, on bool) (state IAPState, err error) {
	action := "iap.disable"
	if on {
		action = "iap.enable"
	}
	err = a.change(ctx, actor, action, string(name), func(tx Tx, entry *audit.Entry) error {
		service, err := a.service(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := free(ctx, tx, Kind(service.Kind), string(name)); err != nil {
			return err
		}
		before := IAPState{name, service.Name, !service.IAPDisabled}
		service.IAPDisabled = !on
		state = IAPState{name, service.Name, on}
		return errors.Join(recordChange(entry, before, state), tx.Catalog().PutService(ctx, service))
	})
	return state, err
}
