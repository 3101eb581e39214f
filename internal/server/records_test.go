package server_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// asked returns what a query of the records is answered with.
func (g *gate) asked(q admin.RecordQuery) (lines []admin.RecordLine) {
	g.t.Helper()
	if err := g.server.Admin().SearchRecords(g.t.Context(), q, func(line admin.RecordLine) error {
		if line.Progress == nil {
			lines = append(lines, line)
		}
		return nil
	}); err != nil {
		g.t.Fatal(err)
	}
	return lines
}

func TestWhatCannotBeRecordedDoesNotPassWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{true, false} {
		metered, scrape := counted(t)
		g := startGate(t, metered, func(o *server.Options) { o.Records.Refuse = refuse })
		decisions := filepath.Join(g.dataDir, audit.LogDir)
		if err := os.Rename(decisions, decisions+".away"); err != nil { // as a disk that takes nothing
			t.Fatal(err)
		}
		seen := func(path string) (int, string) {
			response, body := g.get(open.Hosts[0], path)
			return response.StatusCode, body
		}
		if status, _ := seen("/x"); status != http.StatusOK {
			t.Fatalf("before anybody knows, the answer is %d", status)
		}
		_ = g.server.Admin().SearchRecords(t.Context(), admin.RecordQuery{}, func(admin.RecordLine) error { return nil }) // has what waits written
		status, body := seen("/y")
		wantSeries(t, scrape(), "gatehouse_decision_log_failing 1")
		if !refuse {
			if status != http.StatusOK {
				t.Errorf("nobody asked for it, and the gate is closed: %d", status)
			}
			continue
		}
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "record_failed") || strings.Contains(g.app.last(), "/y") {
			t.Errorf("%d %s; the application saw %s", status, body, g.app.last())
		}
		if err := os.Rename(decisions+".away", decisions); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if status, _ := seen("/z"); status == http.StatusOK {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the disk is back, and the gate stays closed")
			}
		}
	}
}

func TestTheRecordsOfAServerAreSearchedCountedAndFollowed(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	token := "Authorization: Bearer " + g.token("bob@example.com", private)
	g.get(private.Hosts[0], "/secret?token=swordfish", token)
	g.get(open.Hosts[0], "/")

	lines := g.asked(admin.RecordQuery{Kind: admin.AllRecords, Resource: "private"})
	if len(lines) != 4 || lines[0].Decision == nil || !strings.Contains(string(lines[0].Decision), `"reason":"not_granted"`) ||
		lines[1].Change == nil || lines[1].Change.Action != "iam.setIamPolicy" || lines[2].Change.Action != "services.put" || lines[3].End.Found != 3 {
		t.Errorf("of the service private is found %+v", lines)
	}
	if lines := g.asked(admin.RecordQuery{Person: "user:bob@example.com", Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}); len(lines) != 2 {
		t.Errorf("of bob is found %+v", lines)
	}
	var counts []audit.Count
	err := g.server.Admin().CountRecords(t.Context(), admin.RecordQuery{By: audit.ByPerson}, func(line admin.RecordLine) error {
		if line.Counts != nil {
			counts = *line.Counts
		}
		return nil
	})
	if err != nil || len(counts) != 2 || counts[0].Key != "" || counts[0].Passed != 1 || counts[1].Key != "bob@example.com" || counts[1].Refused != 1 {
		t.Errorf("counted %+v, %v", counts, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var seen []string
	enough := errors.New("enough")
	err = g.server.Admin().TailRecords(ctx, admin.RecordQuery{Kind: admin.AllRecords, Resource: "private", Limit: 2}, func(line admin.RecordLine) error {
		switch {
		case line.Change != nil:
			seen = append(seen, line.Change.Action)
		case line.Decision != nil:
			seen = append(seen, "decision")
		}
		switch len(seen) {
		case 2: // what there was has been shown, and both come from here on
			if line.Decision != nil {
				go g.get(private.Hosts[0], "/again", token)
			}
		case 3:
			go func() {
				_, _ = g.server.Admin().SetIAPEnabled(context.WithoutCancel(ctx), admin.System("test"), private.Service.Name(), false)
			}()
		case 4:
			return enough
		}
		return nil
	})
	if want := "iam.setIamPolicy decision decision iap.disable"; !errors.Is(err, enough) || strings.Join(seen, " ") != want {
		t.Errorf("followed %q, %v; want %s", seen, err, want)
	}
}

func TestWhoFollowsTheRecordsHoldsUpNoEndOfTheServer(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	client, err := adminclient.Find(t.Context(), adminclient.Where{DataDir: g.dataDir})
	if err != nil {
		t.Fatal(err)
	}
	began, ended := make(chan struct{}), make(chan error, 1)
	first := sync.OnceFunc(func() { close(began) })
	go func() {
		ended <- client.TailRecords(t.Context(), admin.RecordQuery{Kind: admin.AllRecords, Limit: 1}, func(admin.RecordLine) error {
			first()
			return nil
		})
	}()
	<-began
	started := time.Now()
	g.stop()
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("the end took %s", took)
	}
	if err := <-ended; err != nil {
		t.Errorf("who followed is told %v", err)
	}
}

func TestAdministrativeEntriesGoWhenTheyAreTooOldAndThatIsRecorded(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.token("alice@example.com", private) // its key is made in time, not later
	changes := admin.RecordQuery{Kind: admin.ChangeRecords}
	before := len(g.asked(changes))
	g.clock.advance(48 * time.Hour)
	g.confirm() // two changes of now
	g.server.SetRecords(server.Records{EntriesMaxAge: 24 * time.Hour})
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left := g.asked(changes)
		if len(left) == 4 && left[0].Change.Action == "audit.expire" && left[0].Change.Actor == admin.System("retention") {
			if !strings.Contains(string(left[0].Change.Before), `"entries":`) {
				t.Errorf("it is recorded as %s", left[0].Change.Before)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d lines of %d are left: %+v", len(left), before, left)
		}
	}
}
