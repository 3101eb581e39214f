package manifest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite/sqlitetest"
)

const projectNumber = 123456789012

var actor = audit.Actor{Kind: "uid", Name: "1000"}

// newAdmin returns the administration of a new store.
func newAdmin(t testing.TB) *admin.Admin {
	t.Helper()
	db := sqlitetest.Open(t)
	return &admin.Admin{
		Store: db, Entries: db, ProjectID: "dev-project", ProjectNumber: projectNumber,
		HashPassword: func(_ context.Context, password string) (string, error) { return "hash of " + password, nil },
		Now:          time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// state is what may be in a store, drawn.
type state struct {
	services  []catalog.Service
	accounts  []directory.Account
	groups    []directory.Group
	providers []identityprovider.Provider
	policies  map[resource.Name]iam.Policy
	settings  map[resource.Name]settings.IapSettings
}

func drawState(t *rapid.T) state {
	s := state{policies: map[resource.Name]iam.Policy{}, settings: map[resource.Name]settings.IapSettings{}}
	text := rapid.StringMatching(`[ -~]{0,20}|true|12|~|null|- a|a: b|# c|é{1,3}`)
	members := []string{"user:nobody@example.com", "allUsers", "domain:example.com", "allAuthenticatedUsers", "serviceAccount:x@y.example"}
	for i := range rapid.IntRange(0, 4).Draw(t, "users") {
		account := directory.Account{Kind: principal.User, Email: fmt.Sprintf("u%d@example.com", i), DisplayName: text.Draw(t, "name"), Disabled: rapid.Bool().Draw(t, "disabled")}
		if rapid.Bool().Draw(t, "managed") {
			account.HostedDomain = "example.com"
		}
		if rapid.Bool().Draw(t, "password") {
			account.PasswordHash = "hash"
		}
		s.accounts = append(s.accounts, account)
		members = append(members, "user:"+account.Email)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "groups") {
		group := directory.Group{Email: fmt.Sprintf("g%d@example.com", i), Description: text.Draw(t, "description")}
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 5, rapid.ID[int]).Draw(t, "members") {
			group.Members = append(group.Members, fmt.Sprintf("u%d@example.com", n))
		}
		s.groups = append(s.groups, group)
		members = append(members, "group:"+group.Email)
	}
	kinds := []resource.Kind{resource.BackendService, resource.CloudRunService, resource.AppEngineApp}
	names := []resource.Name{resource.Project(projectNumber), resource.Web(projectNumber), resource.Web(projectNumber) + "/compute", resource.Web(projectNumber) + "/cloud_run-r"}
	for i := range rapid.IntRange(0, 4).Draw(t, "services") {
		service := catalog.Service{
			Service: resource.Service{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), ProjectID: "dev-project", ProjectNumber: projectNumber},
			Name:    fmt.Sprintf("s%d", i), Hosts: []string{fmt.Sprintf("h%d.example.com", i)}, Upstream: "http://127.0.0.1:9",
			OAuthClientID: rapid.SampledFrom([]string{fmt.Sprintf("client %d", i), fmt.Sprint(12 + i), admin.DefaultClientID(projectNumber, fmt.Sprintf("s%d", i))}).Draw(t, "client"),
			IAPDisabled:   rapid.Bool().Draw(t, "off"),
		}
		switch service.Kind {
		case resource.BackendService:
			service.ID = fmt.Sprint(i + 1)
		case resource.CloudRunService:
			service.Region, service.ID = "r", fmt.Sprintf("id%d", i)
		case resource.AppEngineApp:
			if slices.ContainsFunc(s.services, func(other catalog.Service) bool { return other.Kind == resource.AppEngineApp }) {
				continue
			}
		}
		if rapid.Bool().Draw(t, "shared") {
			service.Hosts = append(service.Hosts, "shared.example.com")
			service.PathPrefixes = []string{fmt.Sprintf("/p%d", i)}
		}
		s.services = append(s.services, service)
		names = append(names, service.Service.Name())
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "providers") {
		s.providers = append(s.providers, identityprovider.Provider{
			Name: fmt.Sprintf("p%d", i), Kind: identityprovider.OIDC, Domains: []string{fmt.Sprintf("d%d.example", i)}, Disabled: rapid.Bool().Draw(t, "disabled"),
			OIDC: &identityprovider.OIDCConfig{
				Issuer: fmt.Sprintf("https://i%d.example", i), ClientID: fmt.Sprint(i), ClientSecret: &identityprovider.Secret{File: "/run/secret"},
			},
			Groups: &identityprovider.GroupsClaim{Table: map[string]string{text.Draw(t, "value"): fmt.Sprintf("g@d%d.example", i)}},
		})
	}
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[resource.Name]).Draw(t, "resources") {
		var policy iam.Policy
		for range rapid.IntRange(0, 3).Draw(t, "bindings") {
			policy.Bindings = append(policy.Bindings, iam.Binding{
				Role:    rapid.SampledFrom(iam.Roles()).Draw(t, "role"),
				Members: rapid.SliceOfN(rapid.SampledFrom(members), 1, 3).Draw(t, "members"),
			})
		}
		s.policies[name] = policy
	}
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[resource.Name]).Draw(t, "set") {
		s.settings[name] = drawSettings(t)
	}
	return s
}

func drawSettings(t *rapid.T) settings.IapSettings {
	var access settings.AccessSettings
	var app settings.ApplicationSettings
	if rapid.Bool().Draw(t, "hint") {
		hint := rapid.SampledFrom([]string{"", "true", "12", "example.com"}).Draw(t, "loginHint")
		access.OAuthSettings = &settings.OAuthSettings{LoginHint: &hint, ProgrammaticClients: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "1", "~"}), 0, 3, rapid.ID[string]).Draw(t, "clients")}
	}
	if rapid.Bool().Draw(t, "reauth") {
		access.ReauthSettings = &settings.ReauthSettings{
			Method: settings.ReauthSecureKey, MaxAge: time.Duration(rapid.Int64Range(300e9, 400e9).Draw(t, "age")), PolicyType: settings.ReauthDefault,
		}
	}
	if rapid.Bool().Draw(t, "cors") {
		on := rapid.Bool().Draw(t, "options")
		access.CORSSettings = &settings.CORSSettings{AllowHTTPOptions: &on}
	}
	if rapid.Bool().Draw(t, "attributes") {
		expression := rapid.StringMatching(`[ -~\n]{0,20}`).Draw(t, "expression")
		app.AttributePropagationSettings = &settings.AttributePropagationSettings{
			Expression: &expression, OutputCredentials: rapid.SliceOfNDistinct(rapid.SampledFrom([]settings.OutputCredential{settings.OutputHeader, settings.OutputJWT}), 0, 2, rapid.ID[settings.OutputCredential]).Draw(t, "credentials"),
		}
	}
	return settings.IapSettings{AccessSettings: &access, ApplicationSettings: &app}
}

func (s state) store(ctx context.Context, a *admin.Admin) error {
	for _, service := range s.services {
		if err := a.PutService(ctx, actor, service); err != nil {
			return err
		}
	}
	for _, account := range s.accounts {
		if _, err := a.CreateAccount(ctx, actor, account, ""); err != nil {
			return err
		}
	}
	for _, group := range s.groups {
		if _, err := a.CreateGroup(ctx, actor, group); err != nil {
			return err
		}
	}
	for _, provider := range s.providers {
		if err := a.PutProvider(ctx, actor, provider); err != nil {
			return err
		}
	}
	for name, policy := range s.policies {
		if _, err := a.SetIamPolicy(ctx, actor, name, policy); err != nil {
			return err
		}
	}
	for name, set := range s.settings {
		if _, err := a.UpdateIapSettings(ctx, actor, name, settings.Document{IapSettings: set}, nil); err != nil {
			return err
		}
	}
	return nil
}

// exported is what a server has, written down and read again.
func exported(ctx context.Context, a *admin.Admin) (documents []manifest.Document, text []byte, err error) {
	if documents, err = a.Export(ctx); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	if err := manifest.Write(&b, documents); err != nil {
		return nil, nil, err
	}
	documents, err = manifest.Parse([]manifest.Input{{Name: "export.yaml", Data: b.Bytes()}}, manifest.Options{})
	return documents, b.Bytes(), err
}

func TestApplyingWhatWasExportedChangesNothingAndMakesTheSameServerElsewhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ctx := t.Context()
		s := drawState(rt)
		here := newAdmin(t)
		if err := s.store(ctx, here); err != nil {
			rt.Fatalf("storing what was drawn: %v", err)
		}
		documents, text, err := exported(ctx, here)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		plan, err := here.Apply(ctx, actor, documents, admin.ApplyOptions{})
		if err != nil || len(plan.Changes)+plan.Adopted != 0 || plan.Unchanged != len(documents) {
			rt.Fatalf("%+v, %v\n%s", plan, err, text)
		}
		if !rapid.Bool().Draw(rt, "elsewhere") { // half of the time is enough, and half the stores
			return
		}
		there := newAdmin(t)
		if _, err := there.Apply(ctx, actor, documents, admin.ApplyOptions{}); err != nil {
			rt.Fatalf("on an empty server: %v\n%s", err, text)
		}
		_, again, err := exported(ctx, there)
		if err != nil || !bytes.Equal(again, text) {
			rt.Fatalf("the other server has\n%s\nand not\n%s(%v)", again, text, err)
		}
	})
}

// manyDocuments is a file of n documents: services with their policies, users and groups.
func manyDocuments(n int) []byte {
	var b bytes.Buffer
	for i := range n / 4 {
		fmt.Fprintf(&b, "---\napiVersion: gatehouse.dev/v1\nkind: BackendService\nmetadata:\n  name: s%d\nspec:\n  hosts: [s%d.example.com]\n  upstream: http://10.0.0.1:%d\n", i, i, i%60000+1)
		fmt.Fprintf(&b, "---\napiVersion: gatehouse.dev/v1\nkind: IamPolicy\nmetadata:\n  name: s%d\nspec:\n  resource: projects/dev-project/iap_web/compute/services/s%d\n  bindings:\n  - role: roles/iap.httpsResourceAccessor\n    members: ['user:u%d@example.com', 'group:g%d@example.com']\n", i, i, i, i)
		fmt.Fprintf(&b, "---\napiVersion: gatehouse.dev/v1\nkind: User\nmetadata:\n  name: u%d@example.com\nspec:\n  displayName: Number %d\n", i, i)
		fmt.Fprintf(&b, "---\napiVersion: gatehouse.dev/v1\nkind: Group\nmetadata:\n  name: g%d@example.com\nspec:\n  members: [u%d@example.com, u%d@example.com]\n", i, i, i+1)
	}
	return b.Bytes()
}

func BenchmarkParse10000(b *testing.B) {
	data := manyDocuments(10_000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := manifest.Parse([]manifest.Input{{Name: "many.yaml", Data: data}}, manifest.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply10000(b *testing.B) {
	documents, err := manifest.Parse([]manifest.Input{{Name: "many.yaml", Source: "/many.yaml", Data: manyDocuments(10_000)}}, manifest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			a := newAdmin(b)
			if _, err := a.Apply(b.Context(), actor, documents, admin.ApplyOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		a := newAdmin(b)
		if _, err := a.Apply(b.Context(), actor, documents, admin.ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if plan, err := a.Apply(b.Context(), actor, documents, admin.ApplyOptions{}); err != nil || len(plan.Changes) > 0 {
				b.Fatal(len(plan.Changes), err)
			}
		}
	})
}
