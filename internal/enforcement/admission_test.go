package enforcement_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// program is somebody whom every bearer token speaks for.
type program struct {
	identity principal.Identity
	expires  time.Time
	err      error
}

func (p program) Recognises(string) bool { return true }
func (p program) Verify(context.Context, string, bearer.Request) (bearer.Verified, error) {
	return bearer.Verified{Identity: p.identity, Expires: p.expires}, p.err
}

// admit lets alice in with a GET for a page, by her session or the edited request.
func admit(t *testing.T, set settings.IapSettings, change func(*enforcement.Point), edits ...func(*enforcement.Request)) (*enforcement.Point, *enforcement.Admission, *audit.Decision) {
	t.Helper()
	point, record := newPoint(t, theService(), set)
	change(point)
	request := enforcement.Request{
		Method: "GET", Host: "app.test", Target: "/live?x=1", Header: http.Header{"Accept": {"text/html"}}, Peer: netip.MustParseAddr("192.0.2.1"),
	}
	for _, edit := range edits {
		edit(&request)
	}
	verdict := check(t, point, &request)
	if verdict.Outcome != enforcement.Forward {
		t.Fatalf("was not let in: %s", verdict.Reason)
	}
	*record = audit.Decision{}
	return point, point.Admission(&request, &verdict), record
}

func suspend(p *enforcement.Point) {
	view := p.View()
	disabled := alice
	disabled.Disabled = true
	changed := *view
	changed.Directory = view.Directory.With(directory.Update{Accounts: map[string]*directory.Account{alice.Email: &disabled}}, view.Principals.Edit())
	p.View = func() *snapshot.Snapshot { return &changed }
}

func turnOff(t *testing.T, p *enforcement.Point) {
	t.Helper()
	service := theService()
	service.IAPDisabled = true
	other, _ := newPoint(t, service, settings.IapSettings{})
	p.View = other.View
}

func byBearer(r *enforcement.Request) { r.Header.Set("Authorization", "Bearer a.b.c") }

func TestAnExchangeEndsWhenItWouldNotBeLetInAnyMore(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(after time.Duration) func() time.Time { return func() time.Time { return start.Add(after) } }
	byToken := func(p *enforcement.Point) {
		p.Bearers = program{identity: alice.Identity(), expires: start.Add(time.Minute)}
	}
	tests := []struct {
		name   string
		edit   func(*enforcement.Request)
		before func(*enforcement.Point)
		change func(*enforcement.Point)
		reason policy.Reason // empty: it goes on
	}{
		{"nothing has changed", nil, nil, func(*enforcement.Point) {}, ""},
		{"the session has ended", nil, nil, func(p *enforcement.Point) { p.Sessions = sessions{err: session.ErrEnded} }, policy.SessionEnded},
		{"the account is suspended", nil, nil, suspend, policy.PrincipalSuspended},
		{"the policy does not name the person any more", nil, nil, func(p *enforcement.Point) {
			other, _ := newPointOf(t, stored{service: theService(), policy: iam.Policy{Etag: "f"}, account: alice})
			p.View = other.View
		}, policy.NotGranted},
		{"the service is gone", nil, nil, func(p *enforcement.Point) {
			service := theService()
			service.Hosts = []string{"elsewhere.test"}
			other, _ := newPoint(t, service, settings.IapSettings{})
			p.View = other.View
		}, policy.HostUnknown},
		{"the host belongs to another service by now", nil, nil, func(p *enforcement.Point) {
			service := theService()
			service.Service.ID = "2"
			other, _ := newPoint(t, service, settings.IapSettings{})
			p.View = other.View
		}, policy.PathUnknown},
		{"the session speaks for somebody else by now", nil, nil, func(p *enforcement.Point) {
			moved := alice.Identity()
			moved.HostedDomain = "example.com"
			p.Sessions = sessions{record: session.Record{Identity: moved}}
		}, policy.SessionEnded},
		{"the view has not been confirmed for too long", nil, nil, func(p *enforcement.Point) { p.Now = at(11 * time.Minute) }, policy.SnapshotStale},
		{"the session cannot be looked up for a moment", nil, nil, func(p *enforcement.Point) { p.Sessions = sessions{err: session.ErrStore} }, ""},
		{"the session cannot be looked up, and its time is over", nil, func(p *enforcement.Point) {
			p.Sessions = sessions{record: session.Record{ID: session.NewID(), Identity: alice.Identity(), Expires: start.Add(time.Minute)}}
		}, func(p *enforcement.Point) { p.Sessions, p.Now = sessions{err: session.ErrStore}, at(time.Minute) }, policy.SessionEnded},
		{"the session cannot be looked up for longer than the gate stays open", nil, nil, func(p *enforcement.Point) {
			p.Sessions, p.Now, p.Confirmed = sessions{err: session.ErrStore}, at(11*time.Minute), at(11*time.Minute)
		}, policy.StoreFailed},
		{"the gate has been turned off", nil, nil, func(p *enforcement.Point) { turnOff(t, p) }, ""},
		{"the gate has been turned off, and the session has ended", nil, nil, func(p *enforcement.Point) {
			turnOff(t, p)
			p.Sessions = sessions{err: session.ErrEnded}
		}, policy.SessionEnded},
		{"the gate has been turned off, and the account is suspended", nil, nil, func(p *enforcement.Point) {
			turnOff(t, p)
			suspend(p)
		}, policy.PrincipalSuspended},
		{"the gate has been turned off, and the token has expired", byBearer, byToken, func(p *enforcement.Point) {
			turnOff(t, p)
			p.Now = at(time.Minute)
		}, policy.BearerInvalid},
		{"the path has become public, and the session has ended", nil, nil, func(p *enforcement.Point) {
			service := theService()
			service.PublicPaths = []catalog.PublicPath{{Path: "/live", Methods: []string{"GET"}}}
			other, _ := newPoint(t, service, settings.IapSettings{})
			p.View, p.Sessions = other.View, sessions{err: session.ErrEnded}
		}, policy.SessionEnded},
		{"the provider should be asked at the next page", nil, nil, func(p *enforcement.Point) {
			p.Sessions = sessions{record: session.Record{Identity: alice.Identity(), Silent: true, AskAfter: start.Add(-time.Minute)}}
		}, ""},
		{"the token is about to expire", byBearer, byToken, func(p *enforcement.Point) { p.Now = at(time.Minute - 1) }, ""},
		{"the token has expired, without the leeway that a new request has", byBearer, byToken, func(p *enforcement.Point) { p.Now = at(time.Minute) }, policy.BearerInvalid},
		{"the token does not verify any more", byBearer, byToken, func(p *enforcement.Point) { p.Bearers = program{err: &bearer.Refusal{}} }, policy.BearerInvalid},
		{"the token came in its leeway, and that has not ended", byBearer, func(p *enforcement.Point) {
			p.Bearers = program{identity: alice.Identity(), expires: start.Add(-time.Second)}
		}, func(p *enforcement.Point) { p.Now = at(5 * time.Second) }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			edit, before := test.edit, test.before
			if edit == nil {
				edit = func(*enforcement.Request) {}
			}
			if before == nil {
				before = func(*enforcement.Point) {}
			}
			point, admission, record := admit(t, settings.IapSettings{}, before, edit)
			test.change(point)
			_, reason := admission.Again(t.Context(), false)
			if reason != test.reason {
				t.Fatalf("ended for %q, want %q", reason, test.reason)
			}
			switch {
			case reason == "" && !record.ID.IsZero():
				t.Errorf("it goes on, and that was recorded: %+v", record)
			case reason != "" && (record.Ends != admission.ID() || record.Reason != reason || record.Status < 400 || record.Identity.Email != "alice@example.com" || record.Path != "/live"):
				t.Errorf("recorded %+v", record)
			}
		})
	}
}

// Whoever looks after exchanges asks every ten seconds anyway. To end one at its moment it has to know of that moment.
func TestAnExchangeIsAskedAboutWhenItsCredentialExpires(t *testing.T) {
	t.Parallel()
	expires := time.Now().Add(time.Minute)
	for name, c := range map[string]struct {
		edit    func(*enforcement.Request)
		before  func(*enforcement.Point)
		forgets func(*enforcement.Point) // what happens then, if anything
	}{
		"a token": {byBearer, func(p *enforcement.Point) { p.Bearers = program{identity: alice.Identity(), expires: expires} }, nil},
		"a session": {func(*enforcement.Request) {}, func(p *enforcement.Point) {
			p.Sessions = sessions{record: session.Record{ID: session.NewID(), Identity: alice.Identity(), Expires: expires}}
		}, nil},
		"a session that cannot be looked up for a moment": {func(*enforcement.Request) {}, func(p *enforcement.Point) {
			p.Sessions = sessions{record: session.Record{ID: session.NewID(), Identity: alice.Identity(), Expires: expires}}
		}, func(p *enforcement.Point) { p.Sessions = sessions{err: session.ErrStore} }},
	} {
		point, admission, _ := admit(t, settings.IapSettings{}, c.before, c.edit)
		if c.forgets != nil {
			c.forgets(point)
		}
		if until, reason := admission.Again(t.Context(), false); reason != "" || !until.Equal(expires) {
			t.Errorf("%s: asked again at %s (%q), want %s", name, until, reason, expires)
		}
	}
}

func TestADemandedSignInThatGrowsTooOldEndsAnExchange(t *testing.T) {
	t.Parallel()
	start := time.Now()
	record := session.Record{ID: session.NewID(), Identity: alice.Identity(), AuthTime: start, Expires: start.Add(8 * time.Hour)}
	point, admission, _ := admit(t, settings.IapSettings{}, func(p *enforcement.Point) {
		served, _ := p.View().Served("projects/1/iap_web/compute/services/1")
		served.Demand = session.Demand{MaxAge: 5 * time.Minute}
		p.Sessions = sessions{record: record}
	})
	until, reason := admission.Again(t.Context(), false)
	if reason != "" || !until.Equal(start.Add(5*time.Minute)) {
		t.Errorf("asked again at %s (%q), want at %s", until, reason, start.Add(5*time.Minute))
	}
	point.Now = func() time.Time { return start.Add(5 * time.Minute) }
	if _, reason := admission.Again(t.Context(), false); reason != policy.SignInTooOld {
		t.Errorf("after five minutes it ends for %q", reason)
	}
}

func TestWhatNobodyHadToSignInForGoesOnUntilThatChanges(t *testing.T) {
	t.Parallel()
	everybody := iam.Policy{Etag: "e", Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"allUsers"}}}}
	all := stored{service: theService(), policy: everybody, account: alice}
	request := enforcement.Request{Method: "GET", Host: "app.test", Target: "/", Header: http.Header{}}
	for _, test := range []struct {
		name           string
		before, after  sessions
		reason, closed policy.Reason
	}{
		{"nobody is signed in", sessions{err: session.ErrNone}, sessions{err: session.ErrNone}, "", policy.NoCredential},
		{"somebody is signed in, and signs out", sessions{record: session.Record{ID: session.NewID(), Identity: alice.Identity()}}, sessions{err: session.ErrEnded}, policy.SessionEnded, policy.SessionEnded},
	} {
		p, _ := newPointOf(t, all)
		p.Sessions = test.before
		verdict := check(t, p, &request)
		admission := p.Admission(&request, &verdict)
		p.Sessions = test.after
		if _, reason := admission.Again(t.Context(), false); reason != test.reason {
			t.Errorf("%s: ended for %q, want %q", test.name, reason, test.reason)
		}
		nobody := all
		nobody.policy = iam.Policy{Etag: "f"}
		closed, _ := newPointOf(t, nobody)
		p.View = closed.View
		if _, reason := admission.Again(t.Context(), false); reason != test.closed {
			t.Errorf("%s, and the policy is not public any more: ended for %q, want %q", test.name, reason, test.closed)
		}
	}
}

// BenchmarkAgain is what each exchange that lasts costs whenever something changes.
func BenchmarkAgain(b *testing.B) {
	point, _ := newPoint(b, theService(), settings.IapSettings{})
	request := enforcement.Request{Method: "GET", Host: "app.test", Target: "/live", Header: http.Header{}}
	verdict := check(b, point, &request)
	admission := point.Admission(&request, &verdict)
	b.ReportAllocs()
	for b.Loop() {
		if _, reason := admission.Again(b.Context(), false); reason != "" {
			b.Fatal(reason)
		}
	}
}
