package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Resolve returns the canonical name of a resource that a person or an API client wrote: the project may be
// given by id, and a service by its name where the canonical form has its number.
func (a *Admin) Resolve(ctx context.Context, written string) (name resource.Name, err error) {
	services, err := a.Services(ctx)
	if err != nil {
		return "", err
	}
	return indexServices(services).resolve(written, a.project()) // checkResource says what is missing
}

func (a *Admin) project() Project { return Project{a.ProjectID, a.ProjectNumber} }

// serviceIndex finds services by their resources and by what people call them.
type serviceIndex struct {
	byResource map[resource.Name]bool
	byName     map[calledName]resource.Name
}

type calledName struct {
	kind resource.Name // all services of the type
	name string
}

func indexServices(services []catalog.Service) serviceIndex {
	return serviceIndex{}.with(services)
}

// with returns the index with further services.
func (x serviceIndex) with(services []catalog.Service) serviceIndex {
	index := serviceIndex{maps.Clone(x.byResource), maps.Clone(x.byName)}
	if index.byResource == nil {
		index = serviceIndex{make(map[resource.Name]bool, len(services)), make(map[calledName]resource.Name, len(services))}
	}
	for _, s := range services {
		name := s.Service.Name()
		index.byResource[name] = true
		index.byName[calledName{s.TypeName(), s.Name}] = name
	}
	return index
}

// resolve returns the canonical name of a resource; a service that is not in the index stays as it is written.
func (x serviceIndex) resolve(written string, project Project) (resource.Name, error) {
	parts := strings.Split(written, "/")
	if len(parts) >= 2 && parts[0] == "projects" && parts[1] == project.ProjectID {
		parts[1] = strconv.FormatInt(project.ProjectNumber, 10)
	}
	name, err := resource.ParseName(strings.Join(parts, "/"))
	if err != nil || len(parts) < 6 {
		return name, err
	}
	service := resource.Name(strings.Join(parts[:6], "/"))
	if x.byResource[service] {
		return name, nil
	}
	if found, ok := x.byName[calledName{resource.Name(strings.Join(parts[:4], "/")), parts[5]}]; ok {
		name = found + resource.Name(strings.TrimPrefix(string(name), string(service)))
	}
	return name, nil
}

// checkPlace refuses resources on which a policy would never be read, whatever services there are.
func checkPlace(name resource.Name, project Project) error {
	canonical, err := resource.ParseName(string(name))
	if err != nil {
		return err
	}
	parts := strings.Split(string(canonical), "/")
	if parts[1] != strconv.FormatInt(project.ProjectNumber, 10) {
		return fmt.Errorf("%w: project %s: this server's project is %s", ErrNotFound, parts[1], project)
	}
	if len(parts) >= 4 && strings.HasPrefix(parts[3], "appengine-") && parts[3] != "appengine-"+project.ProjectID {
		return fmt.Errorf("%w: App Engine app %q: the app of this project is %s", ErrNotFound, strings.TrimPrefix(parts[3], "appengine-"), project.ProjectID)
	}
	return nil
}

// checkVersion refuses versions of services.
func checkVersion(name resource.Name) error {
	if parts := strings.Split(string(name), "/"); len(parts) == 8 {
		return fmt.Errorf("%w: %s: services have no versions here, and access is decided on the service: use %s",
			ErrNotFound, name, strings.Join(parts[:6], "/"))
	}
	return nil
}

// checkResource refuses resources on which a policy would never be read.
func (a *Admin) checkResource(ctx context.Context, tx Tx, name resource.Name) error {
	if err := checkPlace(name, a.project()); err != nil {
		return err
	}
	parts := strings.Split(string(name), "/")
	if len(parts) < 6 {
		return nil
	}
	if _, err := a.service(ctx, tx, resource.Name(strings.Join(parts[:6], "/"))); err != nil {
		return err
	}
	return checkVersion(name)
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
