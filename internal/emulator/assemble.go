package emulator

import (
	"context"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/hello"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// NewServer makes the real server the emulator's gate. It is what Options.NewGate is outside tests.
func NewServer(ctx context.Context, o GateOptions) (Gate, Administration, error) {
	s, err := server.New(ctx, server.Options{
		DataDir: o.DataDir, Listener: o.Listener,
		External: signin.External{Scheme: "http", Port: o.Port}, AuthHost: o.AuthHost,
		QuickAccounts: o.QuickAccounts, ProjectID: o.ProjectID, ProjectNumber: o.ProjectNumber,
		Bootstrap: func(ctx context.Context, a *admin.Admin) error { return o.Bootstrap(ctx, administration{a}) },
		Dev:       true, Log: o.Log,
	})
	if err != nil {
		return nil, nil, err
	}
	return s, administration{s.Admin()}, nil
}

// NewHello makes the built-in app. It is what Options.Hello is outside tests.
func NewHello(keysURL, audience string) (http.Handler, error) {
	return hello.New(hello.Options{KeysURL: keysURL, Audience: audience})
}

// administration is admin's, for accounts that carry their password hash already.
type administration struct{ *admin.Admin }

func (a administration) CreateAccount(ctx context.Context, actor audit.Actor, account directory.Account) error {
	_, err := a.Admin.CreateAccount(ctx, actor, account, "")
	return err
}
