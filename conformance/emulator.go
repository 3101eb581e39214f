package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// ErrCannotMint is what a Minter returns that cannot make the assertion that it is asked for.
var ErrCannotMint = errors.New("the emulator does not make such an assertion")

// Emulator is a `gatehouse dev` that runs already. It is a Minter.
type Emulator struct {
	// Endpoint is where it answers programs, such as http://127.0.0.1:8080.
	Endpoint string
	// Client reaches it; nil means one without proxies: it is on this machine.
	Client *http.Client
}

// EmulatorInfo is what an emulator says about itself.
type EmulatorInfo struct {
	Audience string            `json:"audience"`
	ClientID string            `json:"client_id"`
	Accounts []EmulatorAccount `json:"accounts"`
	URLs     struct {
		App  string `json:"app"`
		Keys string `json:"keys"`
	} `json:"urls"`
}

// EmulatorAccount is one account of a new emulator. The first may use the application.
type EmulatorAccount struct {
	Email   string `json:"email"`
	Subject string `json:"subject"`
}

// Info asks what the emulator protects.
func (e *Emulator) Info(ctx context.Context) (EmulatorInfo, error) {
	var info EmulatorInfo
	if err := e.call(ctx, http.MethodGet, "/emulator/v1/info", nil, &info); err != nil {
		return EmulatorInfo{}, err
	}
	if info.Audience == "" || info.URLs.Keys == "" {
		return EmulatorInfo{}, fmt.Errorf("what answers at %s is not gatehouse dev", e.Endpoint)
	}
	return info, nil
}

// IdentityToken returns a bearer token with which the gate lets an account through.
func (e *Emulator) IdentityToken(ctx context.Context, account string) (string, error) {
	var answer struct {
		Token string `json:"token"`
	}
	err := e.call(ctx, http.MethodPost, "/emulator/v1/accounts/"+url.PathEscape(account)+":generateIdToken", object{"includeEmail": true}, &answer)
	if err == nil && answer.Token == "" {
		err = fmt.Errorf("what answers at %s is not gatehouse dev", e.Endpoint)
	}
	return answer.Token, err
}

const (
	markHeader       = "X-Gatehouse-Emulator"
	maxEmulatorBytes = 256 << 10
)

// call asks the emulator. A refusal is an error with the status and what the emulator says.
func (e *Emulator) call(ctx context.Context, method, path string, body, into any) error {
	base, err := url.Parse(e.Endpoint)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil {
		return fmt.Errorf("%q is not the address of gatehouse dev, such as http://127.0.0.1:8080", e.Endpoint)
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(marshal(body))
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(e.Endpoint, "/")+path, content)
	if err != nil {
		return err
	}
	request.Header.Set(markHeader, "1")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	client := e.Client
	if client == nil {
		client = NewClient(ClientConfig{})
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("nothing answers at %s: start `gatehouse dev` (%s)", e.Endpoint, cause(err))
	}
	defer response.Body.Close()
	return readEmulator(response, e.Endpoint, into)
}

// emulatorError is a refusal of the emulator.
type emulatorError struct {
	status int
	detail string
}

func (e *emulatorError) Error() string {
	return fmt.Sprintf("gatehouse dev answered %d: %s", e.status, e.detail)
}

func readEmulator(response *http.Response, endpoint string, into any) error {
	data, err := io.ReadAll(io.LimitReader(response.Body, maxEmulatorBytes))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var problem struct {
			Detail string `json:"detail"`
		}
		_ = json.Unmarshal(data, &problem) // a stranger answers otherwise
		return &emulatorError{response.StatusCode, strings.ToValidUTF8(problem.Detail, "?")}
	}
	if json.Unmarshal(data, into) != nil {
		return fmt.Errorf("what answers at %s is not gatehouse dev", endpoint)
	}
	return nil
}

// usualClaims are those that the emulator adds by itself, unless they are null.
var usualClaims = []string{"iss", "aud", "azp", "sub", "email", "hd", "iat", "exp", "identity_source"}

// Mint implements Minter.
func (e *Emulator) Mint(ctx context.Context, header, claims map[string]any) (string, error) {
	exactly := object{}
	for _, name := range usualClaims {
		exactly[name] = nil
	}
	maps.Copy(exactly, claims)
	request := object{"claims": exactly}
	if len(header) > 0 {
		request["header"] = header
	}
	var answer struct {
		Assertion string `json:"assertion"`
	}
	err := e.call(ctx, http.MethodPost, "/emulator/v1/assertions", request, &answer)
	var refused *emulatorError
	if errors.As(err, &refused) && refused.status < http.StatusInternalServerError {
		return "", fmt.Errorf("%w: %w", ErrCannotMint, err)
	}
	if err == nil && answer.Assertion == "" {
		err = fmt.Errorf("what answers at %s is not gatehouse dev", e.Endpoint)
	}
	return answer.Assertion, err
}
