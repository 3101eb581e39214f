package admin

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Account is the public form of an account: what commands show and the record keeps. It has no password hash.
type Account struct {
	Email        string         `json:"email"`
	Kind         principal.Kind `json:"kind"`
	Subject      string         `json:"subject"`
	HostedDomain string         `json:"hostedDomain,omitempty"`
	DisplayName  string         `json:"displayName,omitempty"`
	HasPassword  bool           `json:"hasPassword"`
	Disabled     bool           `json:"disabled"`
	Created      time.Time      `json:"created"`
	// Attributes are what applications may be told about the person.
	Attributes []principal.Attribute `json:"attributes,omitempty"`
}

func publicAccount(a directory.Account) Account {
	return Account{
		Email: a.Email, Kind: a.Kind, Subject: a.Subject, HostedDomain: a.HostedDomain, DisplayName: a.DisplayName,
		HasPassword: a.PasswordHash != "", Disabled: a.Disabled, Created: a.Created, Attributes: a.Attributes,
	}
}

// Bounds of what a person may choose.
const (
	MinPassword    = 8 // NIST SP 800-63B
	MaxPassword    = 1024
	maxDescription = 256
)

var serviceAccountForm = regexp.MustCompile(`^[a-z]([-a-z0-9]{4,28}[a-z0-9])$`)

// ServiceAccountEmail returns the address of a service account of this server's project.
func (a *Admin) ServiceAccountEmail(name string) (string, error) {
	if !serviceAccountForm.MatchString(name) {
		return "", fmt.Errorf("%w: service account name %q: 6 to 30 lower-case letters, digits and hyphens, starting with a letter", ErrInvalid, name)
	}
	return name + "@" + a.ProjectID + ".iam.gserviceaccount.com", nil
}

// Accounts lists the accounts of a kind, by address.
func (a *Admin) Accounts(ctx context.Context, kind principal.Kind) (accounts []Account, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		stored, err := tx.Directory().Accounts(ctx)
		for _, account := range stored {
			if account.Kind == kind {
				accounts = append(accounts, publicAccount(account))
			}
		}
		return err
	})
	return accounts, err
}

// Account returns one account of a kind.
func (a *Admin) Account(ctx context.Context, kind principal.Kind, email string) (account Account, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		stored, err := storedAccount(ctx, tx, kind, email)
		account = publicAccount(stored)
		return err
	})
	return account, err
}

func storedAccount(ctx context.Context, tx Tx, kind principal.Kind, email string) (directory.Account, error) {
	canonical, err := principal.ParseAddress(email)
	if err != nil {
		return directory.Account{}, err
	}
	account, err := tx.Directory().Account(ctx, canonical)
	if err == nil && account.Kind != kind {
		err = fmt.Errorf("it is a %s: %w", account.Kind, directory.ErrNotFound)
	}
	if err != nil {
		return directory.Account{}, fmt.Errorf("%s %s: %w", kind, canonical, err)
	}
	return account, nil
}

// CreateAccount creates an account. Its subject and time of creation are filled in where they are empty, and
// the address is made canonical. An empty password makes an account that cannot sign in by password, unless
// account carries a hash already.
func (a *Admin) CreateAccount(ctx context.Context, actor audit.Actor, account directory.Account, password string) (Account, error) {
	var err error
	if account.Email, err = principal.ParseAddress(account.Email); err != nil {
		return Account{}, err
	}
	if account.Subject == "" {
		account.Subject = directory.NewSubject()
	}
	if account.Created.IsZero() {
		account.Created = a.Now().UTC().Truncate(time.Microsecond) // as it is stored
	}
	if err := checkText("display name", account.DisplayName); err != nil {
		return Account{}, err
	}
	if password != "" {
		if account.PasswordHash, err = a.hash(ctx, password); err != nil {
			return Account{}, err
		}
	}
	if err := account.Validate(); err != nil {
		return Account{}, err
	}
	created := publicAccount(account)
	err = a.change(ctx, actor, collection(account.Kind)+".create", account.Email, func(tx Tx, entry *audit.Entry) error {
		if _, err := tx.Directory().Group(ctx, account.Email); !errors.Is(err, directory.ErrNotFound) {
			return taken(account.Email, "group", err)
		}
		if err := tx.Directory().CreateAccount(ctx, account); err != nil {
			return fmt.Errorf("%s: %w", account.Email, err)
		}
		return recordChange(entry, nil, created)
	})
	return created, err
}

// SetPassword gives a user a new password and ends the user's sessions: whoever knew the old one is out.
func (a *Admin) SetPassword(ctx context.Context, actor audit.Actor, email, password string) (ended int, err error) {
	hash, err := a.hash(ctx, password)
	if err != nil {
		return 0, err
	}
	err = a.updateAccount(ctx, actor, principal.User, email, "setPassword", func(tx Tx, account *directory.Account) error {
		if err := free(ctx, tx, KindUser, account.Email, fieldPasswordHash); err != nil {
			return err
		}
		account.PasswordHash = hash
		ids, err := tx.Sessions().EndSessions(ctx, session.Filter{Email: account.Email})
		ended = len(ids)
		return err
	})
	return ended, err
}

// SetDisabled suspends an account or admits it again. Suspending ends its sessions.
func (a *Admin) SetDisabled(ctx context.Context, actor audit.Actor, kind principal.Kind, email string, disabled bool) error {
	action := "enable"
	if disabled {
		action = "disable"
	}
	return a.updateAccount(ctx, actor, kind, email, action, func(tx Tx, account *directory.Account) error {
		if account.Kind == principal.User {
			if err := free(ctx, tx, KindUser, account.Email, fieldDisabled); err != nil {
				return err
			}
		}
		account.Disabled = disabled
		return nil
	})
}

func (a *Admin) updateAccount(ctx context.Context, actor audit.Actor, kind principal.Kind, email, action string, f func(Tx, *directory.Account) error) error {
	canonical, err := principal.ParseAddress(email)
	if err != nil {
		return err
	}
	return a.change(ctx, actor, collection(kind)+"."+action, canonical, func(tx Tx, entry *audit.Entry) error {
		account, err := storedAccount(ctx, tx, kind, canonical)
		if err != nil {
			return err
		}
		before := publicAccount(account)
		if err := f(tx, &account); err != nil {
			return err
		}
		return errors.Join(recordChange(entry, before, publicAccount(account)), tx.Directory().UpdateAccount(ctx, account))
	})
}

// DeleteAccount removes an account and ends its sessions. It returns the places that still name the address.
func (a *Admin) DeleteAccount(ctx context.Context, actor audit.Actor, kind principal.Kind, email string) (left Mentions, err error) {
	canonical, err := principal.ParseAddress(email)
	if err != nil {
		return Mentions{}, err
	}
	err = a.change(ctx, actor, collection(kind)+".delete", canonical, func(tx Tx, entry *audit.Entry) error {
		account, err := storedAccount(ctx, tx, kind, canonical)
		if err != nil {
			return err
		}
		if kind == principal.User {
			if err := free(ctx, tx, KindUser, canonical); err != nil {
				return err
			}
		}
		if left, err = mentions(ctx, tx, account.Identity().Member()); err != nil {
			return err
		}
		return errors.Join(recordChange(entry, publicAccount(account), nil), tx.Directory().DeleteAccount(ctx, canonical))
	})
	return left, err
}

func (a *Admin) hash(ctx context.Context, password string) (string, error) {
	switch {
	case len(password) < MinPassword:
		return "", fmt.Errorf("%w: the password has fewer than %d characters", ErrInvalid, MinPassword)
	case len(password) > MaxPassword:
		return "", fmt.Errorf("%w: the password has more than %d bytes", ErrInvalid, MaxPassword)
	case !utf8.ValidString(password):
		return "", fmt.Errorf("%w: the password is not UTF-8 text", ErrInvalid)
	}
	return a.HashPassword(ctx, password)
}

// collection names the accounts of a kind in actions and paths.
func collection(kind principal.Kind) string {
	if kind == principal.ServiceAccount {
		return "serviceAccounts"
	}
	return "users"
}

// taken reports an address that something else has; err is the outcome of looking for it.
func taken(email, what string, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s is a %s: %w", email, what, directory.ErrExists)
}

// checkText refuses names that a terminal or a log would read as something else.
func checkText(what, s string) error {
	if len(s) > maxDescription || !utf8.ValidString(s) {
		return fmt.Errorf("%w: the %s must be text of at most %d bytes", ErrInvalid, what, maxDescription)
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return fmt.Errorf("%w: the %s has a character that does not print: %q", ErrInvalid, what, c)
		}
	}
	return nil
}
