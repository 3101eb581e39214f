package admin

import (
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// accountAPI serves the accounts of one kind.
type accountAPI struct {
	*Admin
	kind principal.Kind
}

// NewAccount is the body of a creation. A user has an Email, a service account a Name within the project.
type NewAccount struct {
	Email       string `json:"email,omitempty"`
	Name        string `json:"name,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	// HostedDomain is what `domain:` members match; empty for an account that no organisation manages.
	HostedDomain string `json:"hostedDomain,omitempty"`
	Password     string `json:"password,omitempty"`
}

// NewPassword is the body of users/EMAIL:setPassword.
type NewPassword struct {
	Password string `json:"password"`
}

// Ended says how many sessions a change has ended.
type Ended struct {
	Sessions int `json:"sessions"`
}

func (a accountAPI) list(c call) (any, error) {
	accounts, err := a.Accounts(c.Context(), a.kind)
	return list("accounts", accounts), err
}

func (a accountAPI) create(c call) (any, error) {
	var request NewAccount
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	if a.kind == principal.ServiceAccount {
		if request.Email != "" || request.Password != "" || request.HostedDomain != "" {
			return nil, fmt.Errorf("%w: a service account has a name and a displayName, nothing else", ErrInvalid)
		}
		email, err := a.ServiceAccountEmail(request.Name)
		if err != nil {
			return nil, err
		}
		request.Email = email
	} else if request.Name != "" {
		return nil, fmt.Errorf("%w: a user is created by email, not by name", ErrInvalid)
	}
	account := directory.Account{Kind: a.kind, Email: request.Email, DisplayName: request.DisplayName}
	if request.HostedDomain != "" {
		domain, err := principal.ParseDomain(request.HostedDomain)
		if err != nil {
			return nil, fmt.Errorf("%w: hosted domain: %w", ErrInvalid, err)
		}
		account.HostedDomain = domain
	}
	return a.CreateAccount(c.Context(), c.actor, account, request.Password)
}

func (a accountAPI) get(c call) (any, error) {
	return a.Account(c.Context(), a.kind, c.PathValue("name"))
}

func (a accountAPI) remove(c call) (any, error) {
	return a.DeleteAccount(c.Context(), c.actor, a.kind, c.PathValue("name"))
}

func (a accountAPI) post(c call) (any, error) {
	email, verb, err := c.verb(c.PathValue("name"))
	if err != nil {
		return nil, err
	}
	switch {
	case verb == "enable" || verb == "disable":
		if err := c.decode(&empty{}); err != nil {
			return nil, err
		}
		return empty{}, a.SetDisabled(c.Context(), c.actor, a.kind, email, verb == "disable")
	case verb == "setPassword" && a.kind == principal.User:
		var request NewPassword
		if err := c.decode(&request); err != nil {
			return nil, err
		}
		ended, err := a.SetPassword(c.Context(), c.actor, email, request.Password)
		return Ended{ended}, err
	case verb == "relink" && a.kind == principal.User:
		var request Relinking
		if err := c.decode(&request); err != nil {
			return nil, err
		}
		return a.Relink(c.Context(), c.actor, email, request)
	default:
		return nil, c.noRoute()
	}
}

// GroupMembers is the body of groups/EMAIL:addMembers and :removeMembers.
type GroupMembers struct {
	Members []string `json:"members"`
}

func (a *Admin) getGroups(c call) (any, error) {
	groups, err := a.Groups(c.Context())
	return list("groups", groups), err
}

func (a *Admin) postGroups(c call) (any, error) {
	var group directory.Group
	if err := c.decode(&group); err != nil {
		return nil, err
	}
	return a.CreateGroup(c.Context(), c.actor, group)
}

func (a *Admin) getGroup(c call) (any, error) { return a.Group(c.Context(), c.PathValue("name")) }

func (a *Admin) removeGroup(c call) (any, error) {
	return a.DeleteGroup(c.Context(), c.actor, c.PathValue("name"))
}

func (a *Admin) postGroup(c call) (any, error) {
	email, verb, err := c.verb(c.PathValue("name"))
	if err != nil {
		return nil, err
	}
	var request GroupMembers
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	switch verb {
	case "addMembers":
		return a.AddGroupMembers(c.Context(), c.actor, email, request.Members)
	case "removeMembers":
		return a.RemoveGroupMembers(c.Context(), c.actor, email, request.Members)
	default:
		return nil, c.noRoute()
	}
}
