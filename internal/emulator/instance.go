package emulator

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/metadataserver"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// instanceName is what the app's machine is called.
const instanceName = "gatehouse-dev"

// serviceAccount is what the app's machine runs as: the account that Google makes for it.
func serviceAccount(service resource.Service) string {
	if service.Kind == resource.AppEngineApp && !strings.Contains(service.ProjectID, ":") {
		return service.ProjectID + "@appspot.gserviceaccount.com"
	}
	return strconv.FormatInt(service.ProjectNumber, 10) + "-compute@developer.gserviceaccount.com"
}

// instance makes the tokens of the machine's service account.
type instance struct {
	gate    Gate
	service resource.Service
	id      uint64
	started time.Time
	now     func() time.Time
	log     *slog.Logger

	mu      sync.Mutex
	token   string // the access token, until expires
	expires time.Time
}

// IdentityToken implements metadataserver.Minter.
func (i *instance) IdentityToken(ctx context.Context, r metadataserver.IdentityRequest) (string, error) {
	var machine *issuer.ComputeEngine
	if r.Machine {
		machine = &issuer.ComputeEngine{
			InstanceID: strconv.FormatUint(i.id, 10), InstanceName: instanceName, Zone: zone(i.service),
			ProjectID: i.service.ProjectID, ProjectNumber: i.service.ProjectNumber, Created: i.started.Unix(),
		}
	}
	token, err := i.gate.MintInstanceToken(ctx, r.Email, r.Audience, machine)
	if errors.Is(err, directory.ErrNotFound) {
		return "", metadataserver.ErrNoAccount
	}
	if err != nil {
		i.log.ErrorContext(ctx, "the metadata server cannot mint an ID token", "account", r.Email, "error", err)
	}
	return token, err
}

// How long an access token lasts, and how long before its end there is another one, as at Google.
const (
	accessTokenLifetime = time.Hour
	accessTokenReserve  = 5 * time.Minute
)

// AccessToken implements metadataserver.Minter. The token opens nothing: no API of Google's is served here that takes
// one, and Google's own does not know it.
func (i *instance) AccessToken(context.Context, string) (string, time.Time, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now := i.now(); now.Add(accessTokenReserve).After(i.expires) {
		i.token, i.expires = "gatehouse-dev."+rand.Text()+rand.Text(), now.Add(accessTokenLifetime)
	}
	return i.token, i.expires, nil
}
