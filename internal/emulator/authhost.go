package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// FetchAuthHost asks the emulator at endpoint for its auth host's URL.
func FetchAuthHost(ctx context.Context, endpoint string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/emulator/v1/info", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set(markHeader, "1")
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // no proxy: this is for the same machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("no gatehouse dev at %s: %w", endpoint, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	var info Info
	if err == nil {
		err = json.Unmarshal(body, &info)
	}
	if err == nil && info.URLs.Auth == "" {
		err = errors.New("it does not say where its auth host is")
	}
	if err != nil {
		return "", fmt.Errorf("what answers at %s is not gatehouse dev: %w", endpoint, err)
	}
	return info.URLs.Auth, nil
}
