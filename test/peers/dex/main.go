// Dex, the identity provider, as one process for the tests: its server package with its memory storage and its
// directory of local passwords. Its own command cannot be built from its module: the module of its gRPC interface
// that fits is published under no version.
//
// The settings are JSON in the environment variable DEX. When it answers, it prints "issuer URL". POST
// /switch/delete?email=ADDRESS deletes a person, and /switch/revoke?email=ADDRESS their refresh tokens, as an
// administrator does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/connectors"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/server/tokens"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"
)

// settings are what a test says about its provider.
type settings struct {
	ClientID, ClientSecret string
	RedirectURIs           []string
	People                 map[string]string // passwords by address
}

func main() {
	var s settings
	if err := json.Unmarshal([]byte(os.Getenv("DEX")), &s); err != nil {
		log.Fatalf("the variable DEX holds no settings: %v", err)
	}
	if err := run(s); err != nil {
		log.Fatal(err)
	}
}

func run(s settings) error {
	ctx := context.Background()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + listener.Addr().String() + "/dex"
	store, err := fill(ctx, &unlocked{Storage: memory.New(logger)}, s)
	if err != nil {
		return err
	}
	config, err := configure(ctx, issuer, store, logger)
	if err != nil {
		return err
	}
	dex, err := server.NewServer(ctx, config)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/dex/", dex)
	mux.HandleFunc("POST /switch/delete", func(w http.ResponseWriter, r *http.Request) {
		if err := store.DeletePassword(r.Context(), r.URL.Query().Get("email")); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
	mux.HandleFunc("POST /switch/revoke", func(w http.ResponseWriter, r *http.Request) {
		if err := revoke(r.Context(), store, r.URL.Query().Get("email")); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
	fmt.Println("issuer " + issuer)
	return (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(listener)
}

// fill writes the client and the people.
func fill(ctx context.Context, store storage.Storage, s settings) (storage.Storage, error) {
	client := storage.Client{ID: s.ClientID, Secret: s.ClientSecret, Name: "Gatehouse", RedirectURIs: s.RedirectURIs}
	if err := store.CreateClient(ctx, client); err != nil {
		return nil, err
	}
	for email, password := range s.People {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
		if err != nil {
			return nil, err
		}
		person := storage.Password{Email: email, Hash: hash, Username: email, UserID: "id of " + email}
		if err := store.CreatePassword(ctx, person); err != nil {
			return nil, err
		}
	}
	local := storage.Connector{ID: connectors.LocalConnector, Name: "Email", Type: connectors.LocalConnector}
	return storage.WithStaticConnectors(store, []storage.Connector{local}), nil
}

// revoke deletes the refresh tokens of a person.
func revoke(ctx context.Context, store storage.Storage, email string) error {
	tokens, err := store.ListRefreshTokens(ctx)
	if err != nil {
		return err
	}
	revoked := 0
	for _, token := range tokens {
		if token.Claims.Email != email {
			continue
		}
		if err := store.DeleteRefresh(ctx, token.ID); err != nil {
			return err
		}
		revoked++
	}
	if revoked == 0 {
		return fmt.Errorf("%s has no refresh token", email)
	}
	return nil
}

// unlocked lets Dex read while it updates a refresh token, which it does to ask its connector about the person: the
// memory storage alone holds its lock meanwhile, and waits for itself.
type unlocked struct {
	storage.Storage
	updating sync.Mutex
}

func (s *unlocked) UpdateRefreshToken(ctx context.Context, id string, update func(storage.RefreshToken) (storage.RefreshToken, error)) error {
	s.updating.Lock()
	defer s.updating.Unlock()
	old, err := s.GetRefresh(ctx, id)
	if err != nil {
		return err
	}
	updated, err := update(old)
	if err != nil {
		return err
	}
	return s.Storage.UpdateRefreshToken(ctx, id, func(storage.RefreshToken) (storage.RefreshToken, error) { return updated, nil })
}

// configure sets the server up as Dex's command does without a word in its file.
func configure(ctx context.Context, issuer string, store storage.Storage, logger *slog.Logger) (server.Config, error) {
	const validFor = 24 * time.Hour
	now := func() time.Time { return time.Now().UTC() }
	keys := signer.LocalConfig{KeysRotationPeriod: "6h"}
	signing, err := keys.Open(ctx, store, validFor, now, logger)
	if err != nil {
		return server.Config{}, err
	}
	refresh, err := tokens.NewRefreshTokenPolicy(logger, false, "", "", "")
	if err != nil {
		return server.Config{}, err
	}
	return server.Config{
		Issuer: issuer, Storage: store, SkipApprovalScreen: true, Signer: signing, IDTokensValidFor: validFor,
		RefreshTokenPolicy: refresh, Logger: logger, Now: now, PrometheusRegistry: prometheus.NewRegistry(),
	}, nil
}
