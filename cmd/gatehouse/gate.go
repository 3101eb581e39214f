package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/emulator"
	"github.com/gatehouse-iap/gatehouse/internal/hello"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
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
	external, plain, endpoints := signin.External{Scheme: "http", Port: o.Port}, o.Listener, []server.Endpoint(nil)
	if o.TLS != nil {
		secure, err := devTLS(o)
		if err != nil {
			return nil, nil, err
		}
		toHTTPS := &atomic.Bool{}
		toHTTPS.Store(true)
		external.Scheme, plain = "https", nil
		endpoints = []server.Endpoint{{Listener: secure}, {Listener: o.Listener, ToHTTPS: toHTTPS}}
	}
	gate, err := server.New(ctx, server.Options{
		DataDir: o.DataDir, Listener: plain, Endpoints: endpoints, External: external, AuthHost: o.AuthHost, TokenURL: o.TokenURL,
		QuickAccounts: o.QuickAccounts, ProjectID: o.ProjectID, ProjectNumber: o.ProjectNumber, Drain: o.Drain, Dev: true, Log: o.Log,
		Development: server.Development{Account: o.Account, WrapKeys: o.WrapKeys, Decision: o.Decision},
		Bootstrap:   func(ctx context.Context, a *admin.Admin) error { return o.Bootstrap(ctx, devAdministration{a}) },
	})
	if err != nil {
		return nil, nil, err
	}
	return gate, devAdministration{gate.Admin()}, nil
}

// devTLS makes the listener for browsers speak TLS.
func devTLS(o emulator.GateOptions) (net.Listener, error) {
	held, err := listener.HeldCertificate(o.Certificate)
	if err != nil {
		return nil, err
	}
	return listener.On(o.TLS, listener.Spec{Name: "tls", Certificates: held, Log: o.Log})
}

// devAdministration is what the emulator seeds through.
type devAdministration struct{ *admin.Admin }

// CreateAccount stores an account with the password hash that it carries.
func (a devAdministration) CreateAccount(ctx context.Context, actor audit.Actor, account directory.Account) error {
	_, err := a.Admin.CreateAccount(ctx, actor, account, "")
	return err
}

// SetIAP turns the gate of a service on or off.
func (a devAdministration) SetIAP(ctx context.Context, actor audit.Actor, name resource.Name, on bool) error {
	_, err := a.SetIAPEnabled(ctx, actor, name, on)
	return err
}

// PutGroup makes or replaces a group, whoever owns it.
func (a devAdministration) PutGroup(ctx context.Context, actor audit.Actor, group directory.Group) error {
	document := admin.Document{Kind: admin.KindGroup, Name: group.Email, Group: &group}
	_, err := a.Apply(ctx, actor, []admin.Document{document}, admin.ApplyOptions{TakeOver: true})
	return err
}

// RotateAssertionKey lets a new key sign at once, and withdraws those that it replaces if that is asked for.
func (a devAdministration) RotateAssertionKey(ctx context.Context, actor audit.Actor, revoke bool) (string, []string, error) {
	rotation, err := a.RotateKey(ctx, actor, issuer.Assertion, true)
	for _, kid := range rotation.Replaced {
		if err == nil && revoke {
			_, err = a.RevokeKey(ctx, actor, kid)
		}
	}
	return rotation.Key.ID, rotation.Replaced, err
}

// PutService updates where the app is. It takes the service from a manifest that it was exported to and applied
// from: the port of a child is another one at each start, and without a start nobody could take it back.
func (a devAdministration) PutService(ctx context.Context, actor audit.Actor, service catalog.Service) error {
	err := a.Admin.PutService(ctx, actor, service)
	if !errors.Is(err, admin.ErrOwned) {
		return err
	}
	document := admin.Document{Kind: admin.Kind(service.Kind), Name: service.Name, Service: &service}
	_, err = a.Admin.Apply(ctx, actor, []admin.Document{document}, admin.ApplyOptions{TakeOver: true})
	return err
}
