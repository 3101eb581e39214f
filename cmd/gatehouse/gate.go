package main

import (
	"context"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/emulator"
	"github.com/gatehouse-iap/gatehouse/internal/hello"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// productionParts assembles the emulator from the real rooms.
func productionParts() devParts {
	return devParts{newGate: newDevGate, hello: newHello}
}

func newHello(keysURL, audience string) (http.Handler, error) {
	return hello.New(hello.Options{KeysURL: keysURL, Audience: audience})
}

// newDevGate starts the very server of production with the emulator's inputs.
func newDevGate(ctx context.Context, o emulator.GateOptions) (emulator.Gate, emulator.Administration, error) {
	gate, err := server.New(ctx, server.Options{
		DataDir: o.DataDir, Listener: o.Listener, External: signin.External{Scheme: "http", Port: o.Port}, AuthHost: o.AuthHost,
		QuickAccounts: o.QuickAccounts, ProjectID: o.ProjectID, ProjectNumber: o.ProjectNumber, Drain: o.Drain, Dev: true, Log: o.Log,
		Bootstrap: func(ctx context.Context, a *admin.Admin) error { return o.Bootstrap(ctx, devAdministration{a}) },
	})
	if err != nil {
		return nil, nil, err
	}
	return gate, devAdministration{gate.Admin()}, nil
}

// devAdministration is what the emulator seeds through.
type devAdministration struct{ *admin.Admin }

// CreateAccount stores an account with the password hash that it carries.
func (a devAdministration) CreateAccount(ctx context.Context, actor audit.Actor, account directory.Account) error {
	_, err := a.Admin.CreateAccount(ctx, actor, account, "")
	return err
}
