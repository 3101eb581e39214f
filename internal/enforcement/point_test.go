package enforcement_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// stored is a small store: one service, its policy, one account.
type stored struct {
	service catalog.Service
	policy  iam.Policy
	account directory.Account
	set     settings.IapSettings // on the project
}

func (s stored) Read(_ context.Context, f func(snapshot.View) error) error { return f(s) }

func (s stored) Position(context.Context) (int64, error)                   { return 7, nil }
func (s stored) Changes(context.Context, int64) ([]snapshot.Change, error) { return nil, nil }
func (s stored) Catalog() catalog.Reader                                   { return s }
func (s stored) Policies() iam.Reader                                      { return policies{s} }
func (s stored) Settings() settings.Reader                                 { return iapSettings{s} }
func (s stored) Directory() directory.Reader                               { return s }
func (s stored) AccountKeys() directory.AccountKeyReader                   { return noAccountKeys{} }
func (s stored) Keys() issuer.Reader                                       { return keyReader{} }
func (s stored) Providers() identityprovider.Reader                        { return noProviders{} }
func (s stored) Services(context.Context) ([]catalog.Service, error) {
	return []catalog.Service{s.service}, nil
}
func (s stored) Service(context.Context, resource.Name) (catalog.Service, error) {
	return s.service, nil
}
func (s stored) Accounts(context.Context) ([]directory.Account, error) {
	return []directory.Account{s.account}, nil
}
func (s stored) Account(context.Context, string) (directory.Account, error) { return s.account, nil }
func (s stored) Groups(context.Context) ([]directory.Group, error)          { return nil, nil }
func (s stored) Group(context.Context, string) (directory.Group, error) {
	return directory.Group{}, directory.ErrNotFound
}

type policies struct{ stored }

func (p policies) Policies(context.Context) (map[resource.Name]iam.Policy, error) {
	return map[resource.Name]iam.Policy{p.service.Service.Name(): p.policy}, nil
}
func (p policies) Policy(context.Context, resource.Name) (iam.Policy, error) { return p.policy, nil }

type iapSettings struct{ stored }

func (s iapSettings) AllSettings(context.Context) (map[resource.Name]settings.Stored, error) {
	return map[resource.Name]settings.Stored{"projects/1": {Settings: s.set}}, nil
}
func (s iapSettings) Settings(context.Context, resource.Name) (settings.Stored, error) {
	return settings.Stored{Settings: s.set}, nil
}

// noProviders leaves our own directory to vouch for everybody.
type noProviders struct{}

func (noProviders) Providers(context.Context) ([]identityprovider.Provider, error) { return nil, nil }

// noAccountKeys is a directory without programs.
type noAccountKeys struct{}

func (noAccountKeys) AccountKeys(context.Context) ([]directory.AccountKey, error) { return nil, nil }
func (noAccountKeys) AccountKey(context.Context, string) (directory.AccountKey, error) {
	return directory.AccountKey{}, directory.ErrNotFound
}

// keyReader holds no keys: the signer of these tests needs none.
type keyReader struct{}

func (keyReader) Keys(context.Context) ([]issuer.Key, error) { return nil, nil }

var alice = directory.Account{Kind: principal.User, Email: "alice@example.com", Subject: "100000000000000000001"}

// sessions answers every request alike.
type sessions struct {
	record session.Record
	err    error
}

func (s sessions) Authenticate(context.Context, []string, string, string, resource.Name) (*session.Record, error) {
	return s.found()
}

func (s sessions) Resume(context.Context, session.ID, resource.Name, bool) (*session.Record, error) {
	return s.found()
}

func (s sessions) found() (*session.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &s.record, nil
}

type noBearers struct{}

func (noBearers) Recognises(string) bool { return false }
func (noBearers) Verify(context.Context, string, bearer.Request) (bearer.Verified, error) {
	return bearer.Verified{}, bearer.ErrForeign
}

// signer signs, or cannot.
type signer struct{ err error }

func (s signer) Assert(issuer.Claims) (*issuer.Prepared, error) {
	return &issuer.Prepared{KeyID: "k"}, s.err
}
func (s signer) AssertFlawed(_ issuer.Claims, test specialurl.Test) (*issuer.Prepared, error) {
	return &issuer.Prepared{Assertion: []string{string(test)}}, s.err
}

type result struct {
	verdict enforcement.Verdict
	record  audit.Decision
}

// theService is the one service of the stored ones.
func theService() catalog.Service {
	return catalog.Service{
		Service: resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 1, ID: "1"},
		Name:    "app", Hosts: []string{"app.test"}, Upstream: "http://127.0.0.1:1", OAuthClientID: "c",
	}
}

// newPoint returns a point in front of a service, with alice signed in, and where it records.
func newPoint(t testing.TB, service catalog.Service, set settings.IapSettings) (*enforcement.Point, *audit.Decision) {
	t.Helper()
	return newPointOf(t, stored{service, iam.Policy{Etag: "e", Bindings: []iam.Binding{
		{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"user:alice@example.com"}},
		{Role: iam.RoleOwner, Members: []string{"user:bob@example.com"}},
	}}, alice, set})
}

// newPointOf is newPoint with everything that is stored.
func newPointOf(t testing.TB, all stored) (*enforcement.Point, *audit.Decision) {
	t.Helper()
	builder := snapshot.NewBuilder(all)
	builder.CompileKeys = func([]issuer.Key, *issuer.KeySet) (*issuer.KeySet, error) { return &issuer.KeySet{}, nil }
	holder := &snapshot.Holder{}
	if err := builder.Start(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	record := new(audit.Decision)
	return &enforcement.Point{
		View: holder.Current, Confirmed: holder.Confirmed, Now: time.Now, MaxStaleness: enforcement.DefaultMaxStaleness,
		Sessions: sessions{record: session.Record{ID: session.NewID(), Identity: alice.Identity()}},
		Bearers:  noBearers{}, Asserter: signer{}, Record: func(d *audit.Decision) bool { *record = *d; return true }, Replica: 3, Log: slog.New(slog.DiscardHandler),
		Origin: func(host string) string { return "https://" + host },
	}, record
}

// ask puts one request, after edits, to a point with alice signed in, after change.
func ask(t *testing.T, change func(*enforcement.Point), edits ...func(*enforcement.Request)) result {
	t.Helper()
	return askWith(t, settings.IapSettings{}, change, edits...)
}

// askWith is ask with settings on the project.
func askWith(t *testing.T, set settings.IapSettings, change func(*enforcement.Point), edits ...func(*enforcement.Request)) result {
	t.Helper()
	point, record := newPoint(t, theService(), set)
	change(point)
	request := enforcement.Request{
		Method: "GET", Host: "app.test", Target: "/a?secret=1", Header: http.Header{}, Peer: netip.MustParseAddr("192.0.2.1"),
	}
	for _, edit := range edits {
		edit(&request)
	}
	verdict := check(t, point, &request)
	point.Settle(&verdict, true)
	return result{verdict, *record}
}

func TestEveryFailureIsARefusalWithAReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*enforcement.Point)
		status int
		reason policy.Reason
	}{
		"no view yet": {func(p *enforcement.Point) { p.View = func() *snapshot.Snapshot { return nil } }, 503, policy.SnapshotStale},
		"a view not confirmed for too long": {func(p *enforcement.Point) {
			p.Confirmed = func() time.Time { return time.Now().Add(-11 * time.Minute) }
		}, 503, policy.SnapshotStale},
		"a session that cannot be looked up": {func(p *enforcement.Point) { p.Sessions = sessions{err: session.ErrStore} }, 503, policy.StoreFailed},
		"an error that nobody foresaw":       {func(p *enforcement.Point) { p.Sessions = sessions{err: errors.New("?")} }, 503, policy.StoreFailed},
		"no key that signs":                  {func(p *enforcement.Point) { p.Asserter = signer{errors.New("no key")} }, 503, policy.SigningFailed},
		"an account that is gone": {func(p *enforcement.Point) {
			gone := alice.Identity()
			gone.Email = "carol@example.com"
			p.Sessions = sessions{record: session.Record{Identity: gone}}
		}, 403, policy.PrincipalSuspended},
		"an account with a new owner": {func(p *enforcement.Point) {
			old := alice.Identity()
			old.Subject = "100000000000000000009"
			p.Sessions = sessions{record: session.Record{Identity: old}}
		}, 403, policy.PrincipalSuspended},
		"an identity of no provider": {func(p *enforcement.Point) {
			foreign := alice.Identity()
			foreign.Provider = "elsewhere"
			p.Sessions = sessions{record: session.Record{Identity: foreign}}
		}, 403, policy.PrincipalSuspended},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := ask(t, c.change)
			if r.verdict.Outcome != enforcement.Refuse || r.verdict.Status != c.status || r.verdict.Reason != c.reason {
				t.Errorf("got outcome %d, status %d, %s", r.verdict.Outcome, r.verdict.Status, r.verdict.Reason)
			}
			if r.record.ID != r.verdict.ID || r.record.Reason != c.reason || r.record.Status != c.status {
				t.Errorf("recorded %+v", r.record)
			}
		})
	}
}

func TestTheRecordHoldsWhatTheDecisionReadAndNoQuery(t *testing.T) {
	t.Parallel()
	r := ask(t, func(*enforcement.Point) {})
	if r.verdict.Outcome != enforcement.Forward || r.verdict.Reason != policy.Granted {
		t.Fatalf("got %+v", r.verdict)
	}
	d := r.record
	if d.Path != "/a" || d.Host != "app.test" || d.Method != "GET" || d.Peer.String() != "192.0.2.1" || d.Position != 7 || d.KeyID != "k" ||
		d.Identity.Email != "alice@example.com" || d.Credential != audit.SessionCookie || d.SessionID == "" || d.Resource != "projects/1/iap_web/compute/services/1" {
		t.Errorf("recorded %+v", d)
	}
}

func TestAStepOfSignInIsNotRecordedAsLetThrough(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"AUTHENTICATING", "CLEAR_LOGIN_COOKIE"} {
		r := ask(t, func(*enforcement.Point) {}, func(request *enforcement.Request) { request.Target = "/a?gcp-iap-mode=" + mode })
		if r.verdict.Outcome == enforcement.Forward || r.record.Status != http.StatusFound || r.record.Reason != policy.SpecialURL || r.record.Special != mode {
			t.Errorf("%s: %+v", mode, r.record)
		}
	}
}

func TestTheRecordOfARequestThatIsRefusedAsItStandsSaysHowItStood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, host, target, path string }{
		{"GET", "app.test", "/a/%2e%2e/b?secret=1", "/a/%2e%2e/b"},
		{"GET", "app..test", "/a?secret=1", "/a"},
		{"GET", "app.test", "http://app.test/a?secret=1", "http://app.test/a"},
		{"CONNECT", "db.test:5432", "db.test:5432", "db.test:5432"},
	} {
		r := ask(t, func(*enforcement.Point) {}, func(request *enforcement.Request) {
			request.Method, request.Host, request.Target = c.method, c.host, c.target
		})
		if d := r.record; d.Host != c.host || d.Path != c.path || d.Status < 400 {
			t.Errorf("%+v was recorded as %+v", c, d)
		}
	}
}

func TestARefusalNamesEveryLevelAndBindingThatWasTried(t *testing.T) {
	t.Parallel()
	r := ask(t, func(p *enforcement.Point) {
		view := p.View()
		other := directory.Account{Kind: principal.User, Email: "bob@example.com", Subject: "100000000000000000002"}
		changed := *view
		edit := view.Principals.Edit()
		changed.Directory = view.Directory.With(directory.Update{Accounts: map[string]*directory.Account{other.Email: &other}}, edit)
		p.View = func() *snapshot.Snapshot { return &changed }
		p.Sessions = sessions{record: session.Record{Identity: other.Identity()}}
	})
	if r.verdict.Reason != policy.NotGranted || len(r.record.Tried) != 4 {
		t.Fatalf("got %s, tried %+v", r.verdict.Reason, r.record.Tried)
	}
	service := r.record.Tried[0]
	if service.Etag != "e" || len(service.Bindings) != 2 || service.Bindings[0].Why != "names other members" || service.Bindings[1].Why != "the role gives no web access" {
		t.Errorf("tried %+v", service)
	}
	if project := r.record.Tried[3]; project.Resource != "projects/1" || project.Etag != "" {
		t.Errorf("tried %+v", project)
	}
}

// check returns the verdict on a request.
func check(t testing.TB, point *enforcement.Point, r *enforcement.Request) (v enforcement.Verdict) {
	t.Helper()
	point.Check(t.Context(), r, &v)
	return v
}
