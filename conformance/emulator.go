package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/emulator"
)

// ErrCannotMint is what a Minter returns that cannot make the assertion that it is asked for.
var ErrCannotMint = errors.New("the emulator does not make such an assertion")

// Emulator is a `gatehouse dev` that runs already, as a Minter.
type Emulator struct{ *emulator.Client }

// usualClaims are those that the emulator adds by itself, unless they are nil.
var usualClaims = []string{"iss", "aud", "azp", "sub", "email", "hd", "iat", "exp", "identity_source"}

// Mint implements Minter.
func (e Emulator) Mint(ctx context.Context, header, claims map[string]any) (string, error) {
	exactly := object{}
	for _, name := range usualClaims {
		exactly[name] = nil
	}
	maps.Copy(exactly, claims)
	token, err := e.SignAssertion(ctx, emulator.Assertion{Claims: exactly, Header: header})
	var refused *emulator.Error
	if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
		return "", fmt.Errorf("%w: %w", ErrCannotMint, err)
	}
	if err == nil && token == "" {
		err = errors.New("what answers is not gatehouse dev")
	}
	return token, err
}
