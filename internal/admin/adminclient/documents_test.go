package adminclient_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
)

func groupDocument(email string) admin.Document {
	return admin.Document{Kind: admin.KindGroup, Name: email, Source: "/etc/groups.yaml", Group: &directory.Group{}}
}

// line says where a document was written.
type line string

func (l line) Locate(path string) string { return string(l) + " " + path }

func TestFaultsOfDocumentsComeBackWithTheirPlaces(t *testing.T) {
	t.Parallel()
	client := open(t, server(t))
	good, bad := groupDocument("team@example.com"), groupDocument("no address")
	good.At, bad.At = line("a.yaml"), line("b.yaml")
	_, err := client.Apply(t.Context(), []admin.Document{good, bad}, admin.ApplyOptions{})
	var faults admin.Faults
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Where != "b.yaml metadata.name" || faults[0].Document != 1 || faults[0].Subject != "Group no address" {
		t.Errorf("%v", err)
	}
	if documents, err := client.Documents(t.Context()); err != nil || len(documents) != 1 {
		t.Errorf("%+v, %v", documents, err)
	}
}

func TestProgressIsToldWhileTheServerIsBusyAndThenTheOutcome(t *testing.T) {
	t.Parallel()
	for says, outcome := range map[string]error{"applied": nil, "stored and not seen": errors.New("stuck")} {
		told := make(chan struct{}, 100)
		client := open(t, serverThatSettles(t, func(context.Context, int64) error {
			<-told // the change is stored, and the caller is told how far it is before it is told the end
			return outcome
		}))
		documents := []admin.Document{groupDocument("a@example.com"), groupDocument("b@example.com")}
		plan, err := client.Apply(t.Context(), documents, admin.ApplyOptions{Progress: func(done, total int) {
			if done != 2 || total != 2 {
				t.Errorf("%s: %d of %d", says, done, total)
			}
			told <- struct{}{}
		}})
		if outcome == nil && (err != nil || len(plan.Changes) != 2) {
			t.Errorf("%s: %+v, %v", says, plan, err)
		}
		if outcome != nil && !adminclient.HasReason(err, admin.ReasonNotSettled) {
			t.Errorf("%s: %v", says, err)
		}
		if documents, err := client.Documents(t.Context()); err != nil || len(documents) != 3 {
			t.Errorf("%s: %d documents, %v", says, len(documents), err)
		}
	}
}
