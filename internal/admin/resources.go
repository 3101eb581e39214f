package admin

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Resolve returns the canonical name of a resource that a person or an API client wrote: the project may be
// given by id, and a service by its name where the canonical form has its number.
func (a *Admin) Resolve(ctx context.Context, written string) (name resource.Name, err error) {
	parts := strings.Split(written, "/")
	if len(parts) >= 2 && parts[0] == "projects" && parts[1] == a.ProjectID {
		parts[1] = strconv.FormatInt(a.ProjectNumber, 10)
	}
	name, err = resource.ParseName(strings.Join(parts, "/"))
	if err != nil {
		return "", err
	}
	if len(parts) < 6 {
		return name, nil
	}
	service := resource.Name(strings.Join(parts[:6], "/"))
	err = a.Store.View(ctx, func(tx Tx) error {
		services, err := tx.Catalog().Services(ctx)
		if err != nil {
			return err
		}
		for _, s := range services {
			if s.Service.Name() == service {
				return nil
			}
		}
		for _, s := range services {
			if s.Name == parts[5] && s.TypeName() == resource.Name(strings.Join(parts[:4], "/")) {
				name = s.Service.Name() + resource.Name(strings.TrimPrefix(string(name), string(service)))
				return nil
			}
		}
		return nil // checkResource says what is missing
	})
	return name, err
}

// checkResource refuses resources on which a policy would never be read.
func (a *Admin) checkResource(ctx context.Context, tx Tx, name resource.Name) error {
	canonical, err := resource.ParseName(string(name))
	if err != nil {
		return err
	}
	parts := strings.Split(string(canonical), "/")
	if parts[1] != strconv.FormatInt(a.ProjectNumber, 10) {
		return fmt.Errorf("%w: project %s: this server's project is %s, number %d", ErrNotFound, parts[1], a.ProjectID, a.ProjectNumber)
	}
	if len(parts) >= 4 && strings.HasPrefix(parts[3], "appengine-") && parts[3] != "appengine-"+a.ProjectID {
		return fmt.Errorf("%w: App Engine app %q: the app of this project is %s", ErrNotFound, strings.TrimPrefix(parts[3], "appengine-"), a.ProjectID)
	}
	if len(parts) < 6 {
		return nil
	}
	if _, err := a.service(ctx, tx, resource.Name(strings.Join(parts[:6], "/"))); err != nil {
		return err
	}
	if len(parts) == 8 {
		return fmt.Errorf("%w: %s: services have no versions here, and access is decided on the service: set the policy on %s",
			ErrNotFound, name, strings.Join(parts[:6], "/"))
	}
	return nil
}

// service returns one service, or an error that lists those that exist.
func (a *Admin) service(ctx context.Context, tx Tx, name resource.Name) (catalog.Service, error) {
	services, err := tx.Catalog().Services(ctx)
	if err != nil {
		return catalog.Service{}, err
	}
	i := slices.IndexFunc(services, func(s catalog.Service) bool { return s.Service.Name() == name })
	if i >= 0 {
		return services[i], nil
	}
	if len(services) == 0 {
		return catalog.Service{}, fmt.Errorf("%w: %s: there are no services yet", catalog.ErrNotFound, name)
	}
	known := make([]string, len(services))
	for i, s := range services {
		known[i] = fmt.Sprintf("%s (%s)", s.Name, s.Service.Name())
	}
	return catalog.Service{}, fmt.Errorf("%w: %s: there is %s", catalog.ErrNotFound, name, strings.Join(known, ", "))
}
