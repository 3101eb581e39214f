package signin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Vouched is what a provider says about a person who has just proved to it who they are. A method of sign-in has
// checked that the provider did say it, to us and for this attempt; whether the provider may say it is checked here.
type Vouched struct {
	Subject string // what the provider calls the person, for ever
	Email   string // as the provider writes it
	// EmailVerified says that the provider has checked the address, or that its configuration takes it on trust.
	EmailVerified bool
	HostedDomain  string    // the claim hd
	Groups        []string  // values of the groups claim
	AsOf          time.Time // when the groups were looked up; zero for now
	// Attributes are the further claims that the provider's configuration names.
	Attributes []principal.Attribute
	AMR        []string  // RFC 8176
	ACR        string    // the claim acr
	AuthTime   time.Time // zero when the provider does not say
	// Session is the provider's name for its session (the claim sid); empty when it has none.
	Session string
	// Tokens is what the method needs to ask again and to sign out at the provider; nil when it can do neither.
	// It is kept sealed.
	Tokens []byte
	// Refreshable says that the method can ask again without the browser.
	Refreshable bool
}

// Departure is one person leaving for a provider.
type Departure struct {
	RedirectURI string // where the provider sends the browser back to
	State       string
	Nonce       string
	Challenge   string // PKCE, S256
	LoginHint   string
	// HostedDomain is the domain of the people who are expected, one that the provider may vouch for; empty for any.
	HostedDomain string
	// MaxAge asks the provider for a sign-in that is no older, and to say when it was; zero asks for nothing.
	MaxAge time.Duration
	Factor session.Factor // how the person is to prove who they are
	Prompt string         // besides the provider's own; "none" to ask the person nothing
}

// Answer is what a browser brought back from a provider.
type Answer struct {
	Code   string
	Error  string // the error code in place of a code
	Detail string // error_description; for the log
	Issuer string // the parameter iss of RFC 9207
	// What the departure had.
	RedirectURI string
	Nonce       string
	Verifier    string
}

// Redirecting is a method of sign-in that sends the browser to the provider and takes what it brings back.
type Redirecting interface {
	// Leave returns the address at the provider.
	Leave(ctx context.Context, p identityprovider.Provider, d Departure) (string, error)
	// Return redeems an answer. Its errors wrap one of the errors below.
	Return(ctx context.Context, p identityprovider.Provider, a Answer) (Vouched, error)
	// Refresh asks again without the browser, with the tokens that came with the last answer. An answer that only
	// confirms the sign-in has no subject. Tokens that come with an error are to be kept all the same. An error that
	// wraps none of ErrProviderDown, ErrProviderSetup and ErrProviderToken says that the sign-in is over.
	Refresh(ctx context.Context, p identityprovider.Provider, tokens []byte) (Vouched, error)
	// SignOutURL returns where to sign out at the provider, and come back from; empty where it offers that nowhere.
	SignOutURL(ctx context.Context, p identityprovider.Provider, tokens []byte, back string) (string, error)
	// LogoutToken reads a logout token.
	LogoutToken(ctx context.Context, p identityprovider.Provider, token string) (LoggedOut, error)
}

// PasswordSource is a method of sign-in that checks a password at the provider. It is asked only for addresses that
// the provider is authoritative for, and not more often than the throttle allows.
type PasswordSource interface {
	// CheckPassword says who the person is. The error wraps ErrPassword or ErrProviderDown, or is that of ctx. The
	// e-mail address is canonical; the one that comes back need not be the same.
	CheckPassword(ctx context.Context, p identityprovider.Provider, email, password string) (Vouched, error)
	// AskAgain says whom an address belongs to now, without a password. Its errors are read as those of Refresh.
	AskAgain(ctx context.Context, p identityprovider.Provider, email string) (Vouched, error)
}

// What goes wrong with providers, by what people can do about it.
var (
	// ErrPassword reports that address and password do not belong together.
	ErrPassword = errors.New("the provider does not accept this address and password")
	// ErrProviderDown reports a provider that does not answer, or says that it cannot.
	ErrProviderDown = errors.New("the identity provider does not answer")
	// ErrProviderSetup reports that we and the provider do not fit together: an administrator must act.
	ErrProviderSetup = errors.New("the identity provider and its configuration here do not fit together")
	// ErrNoSecret is a kind of it: what we prove ourselves with is empty or cannot be read.
	ErrNoSecret = fmt.Errorf("%w: the client secret is empty or cannot be read", ErrProviderSetup)
	// ErrProviderToken reports an ID token, or an answer around it, that proves nothing.
	ErrProviderToken = errors.New("the identity provider's token is not valid here")
	// ErrProviderAnswer reports an answer that does not belong to this attempt, or a code that is not good any more.
	ErrProviderAnswer = errors.New("the answer from the identity provider is not valid for this attempt")
	// ErrDeclined reports that the person, or the provider on their behalf, said no.
	ErrDeclined = errors.New("the identity provider did not sign the person in")
	// ErrQuestions reports that a sign-in which was to ask nothing would have had to.
	ErrQuestions = errors.New("the identity provider would have to ask the person something")
	// errAddress reports a person whom the provider may not vouch for.
	errAddress = identityprovider.ErrAddress
)
