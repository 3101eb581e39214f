package adminclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Where says where to look for the server.
type Where struct {
	DataDir  string // its data directory; when empty, Endpoint is asked
	Endpoint string // a running `gatehouse dev` that says where its data directory is
}

// DefaultEndpoint is where `gatehouse dev` listens.
const DefaultEndpoint = "http://127.0.0.1:8080"

// Find returns a client of the server that w leads to.
func Find(ctx context.Context, w Where) (*Client, error) {
	own := uint32(os.Geteuid())
	if w.DataDir != "" {
		// Root administers the servers of others; that is why it names the directory.
		return Open(w.DataDir, func(uid uint32) bool { return uid == own || uid == 0 || own == 0 })
	}
	dir, err := askDev(ctx, w.Endpoint)
	if err != nil {
		return nil, err
	}
	// Anybody on this machine may listen on the endpoint and name a directory of theirs.
	return Open(dir, func(uid uint32) bool { return uid == own || uid == 0 })
}

// askDev asks a running `gatehouse dev` for its data directory.
func askDev(ctx context.Context, endpoint string) (string, error) {
	base, err := url.Parse(endpoint)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return "", fmt.Errorf("--endpoint %q is not a URL such as %s", endpoint, DefaultEndpoint)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/emulator/v1/info", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("X-Gatehouse-Emulator", "1")
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // and no proxy: this is a server on this machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return "", fmt.Errorf("no server found: nothing listens at %s; start one with `gatehouse dev`, or name the data directory of a running one with --data DIR or GATEHOUSE_DATA", endpoint)
		}
		return "", fmt.Errorf("no server found: %w", err)
	}
	defer response.Body.Close()
	var info struct {
		DataDir string `json:"data_dir"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err == nil {
		err = json.Unmarshal(body, &info)
	}
	if err != nil || response.StatusCode != http.StatusOK || !filepath.IsAbs(info.DataDir) {
		return "", fmt.Errorf("no server found: what answers at %s is not `gatehouse dev`; name the data directory of a running server with --data DIR or GATEHOUSE_DATA, or the right --endpoint", endpoint)
	}
	return info.DataDir, nil
}

// explainDial says what a socket that cannot be reached means.
func explainDial(dataDir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no server is running on the data directory %s: start it, or name another with --data", dataDir)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("the server on the data directory %s is gone: start it again", dataDir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data directory %s belongs to somebody else: only its owner and root may administer the server", dataDir)
	default:
		return fmt.Errorf("administration socket of %s: %w", dataDir, err)
	}
}
