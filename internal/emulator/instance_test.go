package emulator

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/metadataserver"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func TestTheServiceAccountIsTheOneThatGoogleMakes(t *testing.T) {
	t.Parallel()
	for want, service := range map[string]resource.Service{
		"42-compute@developer.gserviceaccount.com": {Kind: resource.BackendService, ProjectID: "my-project", ProjectNumber: 42},
		"43-compute@developer.gserviceaccount.com": {Kind: resource.CloudRunService, ProjectID: "my-project", ProjectNumber: 43},
		"my-project@appspot.gserviceaccount.com":   {Kind: resource.AppEngineApp, ProjectID: "my-project", ProjectNumber: 44},
		"45-compute@developer.gserviceaccount.com": {Kind: resource.AppEngineApp, ProjectID: "example.com:my-project", ProjectNumber: 45},
	} {
		if got := serviceAccount(service); got != want {
			t.Errorf("%v: %s", service, got)
		}
	}
}

func TestTokensOfTheMachine(t *testing.T) {
	t.Parallel()
	memory := newMemory()
	memory.accounts = []directory.Account{{Email: "robot@example.com"}}
	now := time.Unix(1_900_000_000, 0)
	i := &instance{gate: &standIn{memory: memory}, service: resource.Service{Kind: resource.CloudRunService, Region: "us-east4"}, now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}

	for r, want := range map[metadataserver.IdentityRequest]string{
		{Email: "robot@example.com", Audience: "a"}:                "token.robot@example.com.a",
		{Email: "robot@example.com", Audience: "a", Machine: true}: "token.robot@example.com.a on gatehouse-dev in us-east4-1",
	} {
		if got, err := i.IdentityToken(t.Context(), r); err != nil || got != want {
			t.Errorf("%+v: %q %v", r, got, err)
		}
	}
	if _, err := i.IdentityToken(t.Context(), metadataserver.IdentityRequest{Email: "gone@example.com"}); !errors.Is(err, metadataserver.ErrNoAccount) {
		t.Errorf("an account that is gone: %v", err)
	}

	first, ends, _ := i.AccessToken(t.Context(), "")
	now = now.Add(54 * time.Minute)
	same, _, _ := i.AccessToken(t.Context(), "")
	now = now.Add(2 * time.Minute)
	next, later, _ := i.AccessToken(t.Context(), "")
	if same != first || next == first || !later.After(ends) || len(first) < 40 {
		t.Errorf("%s, %s, then %s until %v", first, same, next, later)
	}
}
