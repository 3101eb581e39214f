package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// DefaultEndpoint is where programs find an emulator that was started without --listen.
const DefaultEndpoint = "http://" + DefaultListen

// FetchIDToken asks the emulator at endpoint for a bearer token of the account. Without an audience it is
// for the app.
func FetchIDToken(ctx context.Context, endpoint, email, audience string) (string, error) {
	if err := checkEndpoint(endpoint); err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{"audience": audience, "includeEmail": true})
	if err != nil {
		return "", err
	}
	target := strings.TrimSuffix(endpoint, "/") + accountsPath + url.PathEscape(email) + generateVerb
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(markHeader, "1")
	response, err := machineClient().Do(request)
	if err != nil {
		return "", notThere(err, endpoint)
	}
	defer response.Body.Close()
	return readToken(response, endpoint)
}

func checkEndpoint(endpoint string) error {
	base, err := url.Parse(endpoint)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil {
		return fmt.Errorf("--endpoint %q must be a URL such as %s", endpoint, DefaultEndpoint)
	}
	return nil
}

func readToken(response *http.Response, endpoint string) (string, error) {
	const limit = 64 << 10
	content, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err != nil {
		return "", err
	}
	var answer struct {
		Token  string `json:"token"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(content, &answer); err != nil || answer.Token == "" && answer.Detail == "" {
		return "", fmt.Errorf("what answers at %s (%s) is not gatehouse dev: say with --endpoint where it runs", endpoint, response.Status)
	}
	if response.StatusCode != http.StatusOK || strings.ContainsAny(answer.Token, " \r\n\t\x1b") {
		return "", fmt.Errorf("no token: %s", strings.Map(printable, answer.Detail))
	}
	return answer.Token, nil
}

// printable keeps what a stranger's server says from controlling the terminal.
func printable(r rune) rune {
	if strconv.IsPrint(r) {
		return r
	}
	return '?'
}
