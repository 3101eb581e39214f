package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// CheckDocuments finds what is wrong with documents by themselves and with each other, without a server: what
// they refer to may be there already. project is that of the server, where it is known. It returns Faults.
func CheckDocuments(documents []Document, project Project) error {
	r := newResolver(documents, project, nil)
	r.server = false
	r.resolve()
	r.compare(nil)
	return r.faults.list.orNil()
}

// resolver turns documents as people write them into the form in which they are stored and compared.
type resolver struct {
	faults faultsOf
	// documents are the resolved ones, in the given order; those with a fault may be half resolved.
	documents []Document
	// project is the server's. Where that is not known it is what the documents themselves say, in whole or in part.
	project Project
	given   bool         // the project is the server's
	server  bool         // the documents are about to be applied there
	stored  serviceIndex // on the server, which documents may refer to
	broken  map[int]bool // documents with a fault of their own: others are not compared with them
	void    map[int]bool // those of them that hold nothing to look at
	rules   settings.Rules
}

func newResolver(documents []Document, project Project, stored []catalog.Service) *resolver {
	return &resolver{
		faults: faultsOf{documents: documents}, documents: slices.Clone(documents),
		project: project, given: project != Project{}, server: project != Project{}, stored: indexServices(stored), broken: map[int]bool{}, void: map[int]bool{},
	}
}

func (r *resolver) fault(i int, path string, cause error, format string, args ...any) {
	r.broken[i] = true
	r.faults.add(i, path, cause, format, args...)
}

func (r *resolver) resolve() {
	for i, d := range r.documents {
		if !d.wellFormed() {
			r.fault(i, "", nil, "kind %q does not fit what the document holds", d.Kind)
			r.void[i] = true
			continue
		}
		if err := checkText("name", d.Name); err != nil {
			r.fault(i, "metadata.name", nil, "%s", plain(err, ErrInvalid))
		} else if d.Name == "" {
			r.fault(i, "metadata.name", nil, "the name is empty")
		}
	}
	r.agreeOnProject()
	for i := range r.documents {
		d := &r.documents[i]
		if r.void[i] {
			continue
		}
		switch {
		case d.Service != nil:
			r.resolveService(i, d)
		case d.Provider != nil:
			r.resolveProvider(i, d)
		case d.User != nil:
			r.resolveUser(i, d)
		case d.Group != nil:
			r.resolveGroup(i, d)
		}
	}
	services := r.stored.with(r.services())
	for i := range r.documents { // policies and settings refer to services, which have their numbers only now
		switch d := &r.documents[i]; {
		case r.void[i]:
		case d.Policy != nil:
			r.resolvePolicy(i, d, services)
		case d.Settings != nil:
			r.resolveSettings(i, d, services)
		}
	}
}

// agreeOnProject finds the one project that the documents are about.
func (r *resolver) agreeOnProject() {
	for i, d := range r.documents {
		if d.Project == nil || r.broken[i] {
			continue
		}
		if r.sameProject(i, "metadata.name", d.Name) {
			r.sameProject(i, "spec.projectNumber", strconv.FormatInt(d.Project.Number, 10))
		}
		if err := (resource.Service{Kind: resource.AppEngineApp, ProjectID: d.Name, ProjectNumber: d.Project.Number}).Validate(); err != nil {
			r.fault(i, "metadata.name", nil, "%s", plain(err, resource.ErrInvalid))
		}
	}
	for i, d := range r.documents {
		switch {
		case r.broken[i]:
		case d.Service != nil && d.Service.ProjectID != "":
			r.sameProject(i, "spec.project", d.Service.ProjectID)
		case d.about() != "":
			if parts := strings.Split(d.about(), "/"); len(parts) >= 2 && parts[0] == "projects" {
				r.sameProject(i, "spec.resource", parts[1])
			}
		}
	}
}

// sameProject compares a project's id or number with that of the others, or learns it.
func (r *resolver) sameProject(i int, path, written string) bool {
	whose := "the other documents are"
	if r.given {
		whose = "this server's is"
	}
	number, err := strconv.ParseInt(written, 10, 64)
	switch {
	case written == r.project.ProjectID || err == nil && number == r.project.ProjectNumber:
	case err == nil && r.project.ProjectNumber == 0:
		r.project.ProjectNumber = number
	case err != nil && r.project.ProjectID == "":
		r.project.ProjectID = written
	default:
		r.fault(i, path, nil, "project %s: %s %s; a server has one project", written, whose, r.project)
		return false
	}
	return true
}

// String names the project by all that is known of it.
func (p Project) String() string {
	switch {
	case p.ProjectNumber == 0:
		return p.ProjectID
	case p.ProjectID == "":
		return "number " + strconv.FormatInt(p.ProjectNumber, 10)
	default:
		return fmt.Sprintf("%s, number %d", p.ProjectID, p.ProjectNumber)
	}
}

// known is the project with stand-ins for what nobody has said: without a server, the rest can be checked still.
func (r *resolver) known() Project {
	p := r.project
	if p.ProjectID == "" {
		p.ProjectID = "unknown-project"
	}
	if p.ProjectNumber == 0 {
		p.ProjectNumber = 1
	}
	return p
}

// checkService has the catalog check each field by itself, so that all that is wrong is told, and where.
// BackendServiceID is the number of a backend service whose document gives none. It is derived, so that the
// audience of its assertions is known before it exists, and is the same wherever the same files are applied.
// DefaultClientID is the OAuth client id of a service whose document gives none.
// address returns the canonical form of an address; empty, with a fault, when it has none.
// checkBindings has iam check each role and member by itself, so that all that is wrong is told, and where.
// services are those that documents declare, with a fault or without: a policy may refer to one that has.
// plain is an error's text without the words that the fault's place says already.
func plain(err, sort error, name ...string) string {
	text := strings.TrimPrefix(err.Error(), sort.Error())
	for _, n := range name {
		text = strings.TrimPrefix(text, fmt.Sprintf(" %q", n))
	}
	return strings.TrimPrefix(text, ": ")
}

// parts are the errors that a refusal of a whole joins.
// providerPath is the field of a provider that a refusal is about: its text begins with it.
