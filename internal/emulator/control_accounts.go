package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// newAccount is the body that creates an account.
type newAccount struct {
	Email       string `json:"email"`
	Subject     string `json:"subject"` // drawn when empty
	DisplayName string `json:"display_name"`
	// HostedDomain is that of the address when it is left out.
	HostedDomain *string `json:"hosted_domain"`
}

// account is what is said of one.
type account struct {
	Email        string `json:"email"`
	Subject      string `json:"subject"`
	HostedDomain string `json:"hosted_domain,omitempty"`
	Password     string `json:"password"`
}

func (c *control) createAccount(w http.ResponseWriter, r *http.Request) (any, error) {
	var wanted newAccount
	if err := readJSON(w, r, &wanted); err != nil {
		return nil, err
	}
	return c.create(r.Context(), wanted)
}

func (c *control) create(ctx context.Context, wanted newAccount) (account, error) {
	email, err := principal.ParseAddress(wanted.Email)
	if err != nil {
		return account{}, err
	}
	domain := hostedDomainOf(email)
	if wanted.HostedDomain != nil {
		domain = *wanted.HostedDomain
	}
	if wanted.Subject == "" {
		wanted.Subject = directory.NewSubject()
	}
	err = c.admin.CreateAccount(ctx, c.actor(), directory.Account{
		Kind: principal.User, Email: email, Subject: wanted.Subject, HostedDomain: domain, DisplayName: wanted.DisplayName, PasswordHash: passwordHash,
	})
	return account{email, wanted.Subject, domain, Password}, err
}

// accountFor returns the canonical address of an account, which it creates when there is none.
func (c *control) accountFor(ctx context.Context, written string) (string, error) {
	made, err := c.create(ctx, newAccount{Email: written})
	if errors.Is(err, directory.ErrExists) {
		err = nil
	}
	return made.Email, err
}

func (c *control) putGroup(w http.ResponseWriter, r *http.Request) (any, error) {
	email, err := principal.ParseAddress(strings.TrimPrefix(r.URL.Path, groupsPath))
	if err != nil {
		return nil, err
	}
	var wanted struct {
		Description string   `json:"description"`
		Members     []string `json:"members"`
	}
	if err := readJSON(w, r, &wanted); err != nil {
		return nil, err
	}
	group := directory.Group{Email: email, Description: wanted.Description, Members: []string{}}
	for _, member := range wanted.Members {
		canonical, err := principal.ParseAddress(member)
		if err != nil {
			return nil, err
		}
		group.Members = append(group.Members, canonical)
	}
	if err := c.admin.PutGroup(r.Context(), c.actor(), group); err != nil {
		return nil, err
	}
	return group, nil
}

func (c *control) getPolicy(_ http.ResponseWriter, r *http.Request) (any, error) {
	return c.admin.IamPolicy(r.Context(), c.service.Name())
}

func (c *control) setPolicy(w http.ResponseWriter, r *http.Request) (any, error) {
	var wanted iam.Policy
	if err := readJSON(w, r, &wanted); err != nil {
		return nil, err
	}
	return c.admin.SetIamPolicy(r.Context(), c.actor(), c.service.Name(), wanted)
}

// newAssertion is the body that asks for an assertion.
type newAssertion struct {
	// Email is whom it names, with subject and domain of the account where there is one; empty names nobody, as for allUsers.
	Email string `json:"email"`
	// Audience is the app's own when it is left out.
	Audience string `json:"audience"`
	// Age is how long ago it was made, such as "11m" for one that has expired, or "-1h" for one of the future.
	Age string `json:"age"`
	// Claims replace those that the above make, and null takes one out.
	Claims map[string]any `json:"claims"`
	// Header replaces members of the JOSE header, and null takes one out.
	Header map[string]any `json:"header"`
}

// The times of an assertion, as IAP sets them.
const (
	assertionBackdate = 30 * time.Second
	assertionLifetime = 10 * time.Minute
)

// signAssertion signs any claims with the key of the gate: what a test wants to see its app refuse, or read.
func (c *control) signAssertion(w http.ResponseWriter, r *http.Request) (any, error) {
	var wanted newAssertion
	if err := readJSON(w, r, &wanted); err != nil {
		return nil, err
	}
	claims, err := c.claims(wanted)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	signed, err := c.gate.SignAssertion(wanted.Header, payload)
	if err != nil {
		return nil, err
	}
	return struct {
		Assertion string         `json:"assertion"`
		Claims    map[string]any `json:"claims"`
	}{signed, claims}, nil
}

func (c *control) claims(wanted newAssertion) (map[string]any, error) {
	issued := c.now().Add(-assertionBackdate)
	if wanted.Age != "" {
		age, err := time.ParseDuration(wanted.Age)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, `the age %q must be a duration such as "11m" or "-1h"`, wanted.Age)
		}
		issued = issued.Add(-age)
	}
	if wanted.Audience == "" {
		wanted.Audience = c.info.Audience
	}
	claims := map[string]any{
		"iss": issuer.AssertionIssuer, "aud": wanted.Audience, "azp": wanted.Audience, "identity_source": "GOOGLE",
		"iat": issued.Unix(), "exp": issued.Add(assertionLifetime).Unix(),
	}
	if wanted.Email != "" {
		email, err := principal.ParseAddress(wanted.Email)
		if err != nil {
			return nil, err
		}
		account, found := c.gate.Account(email)
		if !found {
			account = directory.Account{Email: email, Subject: directory.NewSubject()}
		}
		claims["email"], claims["sub"] = email, "accounts.google.com:"+account.Subject
		if account.HostedDomain != "" {
			claims["hd"] = account.HostedDomain
		}
	}
	maps.Copy(claims, wanted.Claims)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims, nil
}
