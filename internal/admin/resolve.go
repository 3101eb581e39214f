package admin

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// CheckDocuments finds what is wrong with documents by themselves and with each other, without a server: what
// they refer to may be there already. It returns Faults.
func CheckDocuments(documents []Document) error {
	r := newResolver(documents, Project{}, nil)
	r.resolve()
	r.compare(nil)
	return r.faults.list.orNil()
}

// resolver turns documents as people write them into the form in which they are stored and compared.
type resolver struct {
	faults faultsOf
	// documents are the resolved ones, in the given order; those with a fault may be half resolved.
	documents []Document
	// project is the server's. Without a server it is what the documents themselves say, in whole or in part.
	project Project
	server  bool
	stored  serviceIndex // on the server, which documents may refer to
	broken  map[int]bool // documents with a fault of their own: others are not compared with them
	void    map[int]bool // those of them that hold nothing to look at
}

func newResolver(documents []Document, project Project, stored []catalog.Service) *resolver {
	return &resolver{
		faults: faultsOf{documents: documents}, documents: slices.Clone(documents),
		project: project, server: project != Project{}, stored: indexServices(stored), broken: map[int]bool{}, void: map[int]bool{},
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
	for i := range r.documents { // policies refer to services, which have their numbers only now
		if d := &r.documents[i]; d.Policy != nil && !r.void[i] {
			r.resolvePolicy(i, d, services)
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
		case d.Policy != nil:
			if parts := strings.Split(d.Policy.Resource, "/"); len(parts) >= 2 && parts[0] == "projects" {
				r.sameProject(i, "spec.resource", parts[1])
			}
		}
	}
}

// sameProject compares a project's id or number with that of the others, or learns it.
func (r *resolver) sameProject(i int, path, written string) bool {
	whose := "the other documents are"
	if r.server {
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

func (r *resolver) resolveService(i int, d *Document) {
	s := *d.Service
	project := r.known()
	s.ProjectID, s.ProjectNumber = project.ProjectID, project.ProjectNumber
	s.Name = d.Name
	if !resource.IsLabel(s.Name) && !(s.Kind == resource.AppEngineApp && s.Name == s.ProjectID) {
		r.fault(i, "metadata.name", nil, "%q: a service is called by 1 to 63 lower-case letters, digits and hyphens, starting with a letter", s.Name)
	}
	if s.Kind == resource.BackendService && s.ID == "" {
		s.ID = BackendServiceID(s.ProjectNumber, s.Name)
		if stored, found := r.stored.byName[calledName{s.TypeName(), s.Name}]; found { // which has a number already
			s.ID = string(stored[strings.LastIndexByte(string(stored), '/')+1:])
		}
	}
	if s.Kind == resource.CloudRunService && s.ID == "" {
		s.ID = s.Name
	}
	if s.OAuthClientID == "" {
		s.OAuthClientID = DefaultClientID(s.ProjectNumber, s.Name)
	}
	s.Hosts = slices.Clone(s.Hosts)
	for n, host := range s.Hosts {
		if canonical, err := catalog.CanonicalHost(host); err == nil {
			s.Hosts[n] = canonical
		}
	}
	d.Service = &s
	r.checkService(i, s)
}

// checkService has the catalog check each field by itself, so that all that is wrong is told, and where.
func (r *resolver) checkService(i int, s catalog.Service) {
	good := s
	good.Service = resource.Service{Kind: resource.BackendService, ProjectID: "good-project", ProjectNumber: 1, ID: "1"}
	good.Name, good.OAuthClientID = "good", "good"
	good.Hosts, good.PathPrefixes = []string{"good.example"}, nil
	good.Upstream, good.UpstreamTLS, good.UpstreamHost = "http://good.example", nil, ""
	before := len(r.faults.list)
	check := func(path string, change func(*catalog.Service)) {
		probe := good
		change(&probe)
		if err := probe.Validate(); err != nil {
			text := plain(err, catalog.ErrInvalid, probe.Name)
			if path == "" { // the text begins with the field
				field, _, _ := strings.Cut(text, " ")
				path = "spec." + field
			}
			r.fault(i, path, nil, "%s", text)
		}
	}
	if err := s.Service.Validate(); err != nil {
		r.fault(i, servicePath(s), nil, "%s", plain(err, resource.ErrInvalid))
	}
	if len(s.Hosts) == 0 {
		r.fault(i, "spec.hosts", nil, "name at least one host that the service answers on")
	}
	for n, host := range s.Hosts {
		path := fmt.Sprintf("spec.hosts[%d]", n)
		if strings.Contains(host, "/") {
			r.fault(i, path, nil, "%q: a host is a name only, such as app.example.com, without scheme and path", host)
			continue
		}
		if slices.Contains(s.Hosts[:n], host) {
			r.fault(i, path, nil, "%s is listed twice", host)
			continue
		}
		if _, err := catalog.CanonicalHost(host); err != nil {
			r.fault(i, path, nil, "%q is not a host name, such as app.example.com", host)
			continue
		}
		check(path, func(probe *catalog.Service) { probe.Hosts = []string{host} })
	}
	for n, prefix := range s.PathPrefixes {
		check(fmt.Sprintf("spec.pathPrefixes[%d]", n), func(probe *catalog.Service) { probe.PathPrefixes = []string{prefix} })
	}
	check("spec.upstream", func(probe *catalog.Service) { probe.Upstream = s.Upstream })
	check("spec.upstreamHost", func(probe *catalog.Service) { probe.UpstreamHost = s.UpstreamHost })
	check("", func(probe *catalog.Service) {
		probe.Upstream, probe.UpstreamTLS = "https://good.example", s.UpstreamTLS
	})
	if len(r.faults.list) == before { // and what only the whole shows
		check("", func(probe *catalog.Service) { *probe = s })
	}
}

func servicePath(s catalog.Service) string {
	if s.Kind == resource.CloudRunService && !resource.IsLabel(s.Region) {
		return "spec.region"
	}
	return "spec.id"
}

// BackendServiceID is the number of a backend service whose document gives none. It is derived, so that the
// audience of its assertions is known before it exists, and is the same wherever the same files are applied.
func BackendServiceID(projectNumber int64, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "gatehouse backend service\x00%d\x00%s", projectNumber, name))
	const least = 1_000_000_000_000_000_000 // 19 digits, as Google's
	return strconv.FormatUint(least+binary.BigEndian.Uint64(sum[:])%(8*least), 10)
}

// DefaultClientID is the OAuth client id of a service whose document gives none.
func DefaultClientID(projectNumber int64, name string) string {
	return strconv.FormatInt(projectNumber, 10) + "-" + name + ".apps.googleusercontent.com"
}

func (r *resolver) resolveProvider(i int, d *Document) {
	p := *d.Provider
	p.Name = d.Name
	d.Provider = &p
	if err := p.Validate(); err != nil {
		for _, err := range parts(err) {
			text := plain(err, identityprovider.ErrInvalid)
			r.fault(i, providerPath(p, text), nil, "%s", text)
		}
	}
}

func (r *resolver) resolveUser(i int, d *Document) {
	d.Name = r.address(i, "metadata.name", d.Name)
	u := *d.User
	if u.HostedDomain != "" {
		domain, err := principal.ParseDomain(u.HostedDomain)
		if err != nil {
			r.fault(i, "spec.hostedDomain", nil, "%s", err)
		}
		u.HostedDomain = domain
	}
	if err := checkText("display name", u.DisplayName); err != nil {
		r.fault(i, "spec.displayName", nil, "%s", plain(err, ErrInvalid))
	}
	if s := u.PasswordHash; s != nil && (s.File == "") == (s.Env == "") {
		r.fault(i, "spec.passwordHash", nil, "give one of file and env: where the server reads the hash")
	}
	d.User = &u
	if r.broken[i] {
		return
	}
	account := directory.Account{Kind: principal.User, Email: d.Name, Subject: u.Subject, HostedDomain: u.HostedDomain}
	if account.Subject == "" {
		account.Subject = strings.Repeat("1", 21)
	}
	if err := account.Validate(); err != nil {
		r.fault(i, "spec.subject", nil, "%s", plain(err, directory.ErrInvalid))
	}
}

func (r *resolver) resolveGroup(i int, d *Document) {
	g := *d.Group
	d.Name = r.address(i, "metadata.name", d.Name)
	g.Email = d.Name
	if err := checkText("description", g.Description); err != nil {
		r.fault(i, "spec.description", nil, "%s", plain(err, ErrInvalid))
	}
	members, seen := make([]string, 0, len(g.Members)), make(map[string]bool, len(g.Members))
	for n, member := range g.Members {
		path := fmt.Sprintf("spec.members[%d]", n)
		switch canonical := r.address(i, path, member); {
		case canonical == "":
		case canonical == g.Email:
			r.fault(i, path, nil, "a group cannot be its own member: take %s out", canonical)
		case !seen[canonical]:
			seen[canonical] = true
			members = append(members, canonical)
		}
	}
	slices.Sort(members) // as they are stored
	g.Members = members
	d.Group = &g
	if r.broken[i] {
		return
	}
	if err := g.Validate(); err != nil {
		r.fault(i, "spec.members", nil, "%s", plain(err, directory.ErrInvalid))
	}
}

// address returns the canonical form of an address; empty, with a fault, when it has none.
func (r *resolver) address(i int, path, written string) string {
	canonical, err := principal.ParseAddress(written)
	if err != nil {
		r.fault(i, path, nil, "%s", err)
	}
	return canonical
}

func (r *resolver) resolvePolicy(i int, d *Document, services serviceIndex) {
	p := *d.Policy
	name, err := services.resolve(p.Resource, r.known())
	if r.broken[i] {
		// of another project: nothing more can be said of the resource
	} else if err != nil {
		r.fault(i, "spec.resource", nil, "%s: the project may be named by id or number, and a service by name or number", plain(err, resource.ErrInvalid))
	} else if err := cmp.Or(checkPlace(name, r.known()), checkVersion(name)); err != nil {
		r.fault(i, "spec.resource", nil, "%s", plain(err, ErrNotFound))
	}
	p.Resource = string(name)
	r.checkBindings(i, p.Policy)
	d.Policy = &p
	if r.broken[i] {
		return
	}
	canonical, err := p.Policy.Canonical()
	if err != nil {
		r.fault(i, "spec.bindings", nil, "%s", plain(err, iam.ErrInvalid))
	}
	if canonical.Version == 0 {
		canonical.Version = 1
	}
	p.Policy = canonical
	d.Policy = &p
}

// checkBindings has iam check each role and member by itself, so that all that is wrong is told, and where.
func (r *resolver) checkBindings(i int, p iam.Policy) {
	if _, err := (iam.Policy{Version: p.Version}).Canonical(); err != nil {
		r.fault(i, "spec.version", nil, "%s", plain(err, iam.ErrInvalid))
	}
	for n, b := range p.Bindings {
		path := fmt.Sprintf("spec.bindings[%d]", n)
		if !slices.Contains(iam.Roles(), b.Role) {
			r.fault(i, path+".role", nil, "role %q is unknown; to let people use an application, grant %s", b.Role, iam.RoleHTTPSResourceAccessor)
		}
		for m, member := range b.Members {
			if _, err := principal.ParseMember(member); err != nil {
				r.fault(i, fmt.Sprintf("%s.members[%d]", path, m), nil, "%s", err)
			}
		}
	}
}

// services are those that documents declare, with a fault or without: a policy may refer to one that has.
func (r *resolver) services() (services []catalog.Service) {
	for _, d := range r.documents {
		if d.Service != nil {
			services = append(services, *d.Service)
		}
	}
	return services
}

// plain is an error's text without the words that the fault's place says already.
func plain(err, sort error, name ...string) string {
	text := strings.TrimPrefix(err.Error(), sort.Error())
	for _, n := range name {
		text = strings.TrimPrefix(text, fmt.Sprintf(" %q", n))
	}
	return strings.TrimPrefix(text, ": ")
}

// parts are the errors that a refusal of a whole joins.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var texts []string
	var out []error
	whole := false // the refusal's own words around a joined error
	for _, part := range joined.Unwrap() {
		texts = append(texts, part.Error())
		if part == identityprovider.ErrInvalid {
			whole = true
			continue
		}
		out = append(out, parts(part)...)
	}
	if whole || strings.Join(texts, "\n") == err.Error() {
		return out
	}
	return []error{err}
}

// providerPath is the field of a provider that a refusal is about: its text begins with it.
func providerPath(p identityprovider.Provider, text string) string {
	for i, domain := range p.Domains {
		if strings.HasPrefix(text, fmt.Sprintf("domain %q", domain)) {
			return fmt.Sprintf("spec.domains[%d]", i)
		}
	}
	word, _, _ := strings.Cut(text, " ")
	if word == `"*"` {
		word = "domains"
	}
	return "spec." + word
}
