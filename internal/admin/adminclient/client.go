// Package adminclient is the other end of the administration socket: it finds a running server and calls its
// administration API. It holds no rules of its own; the server checks everything.
package adminclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// maxAnswer bounds what is read of one answer: a group may have a million members.
const maxAnswer = 128 << 20

// Client calls the administration API of one server.
type Client struct {
	dataDir string
	http    *http.Client
}

// Error is an error that the server answered with.
type Error struct{ admin.Problem }

func (e *Error) Error() string { return e.Message }

// Open returns a client of the server that holds a data directory. Nothing is connected yet. trusted says
// which uids may be at the other end: passwords go there.
func Open(dataDir string, trusted func(uid uint32) bool) (*Client, error) {
	path, err := admin.SocketPath(dataDir)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "unix", path)
		if err != nil {
			return nil, explainDial(dataDir, err)
		}
		uid, err := admin.PeerUID(conn.(*net.UnixConn))
		if err == nil && !trusted(uid) {
			err = fmt.Errorf("the server on %s runs as uid %d, which is neither this user nor root: name its data directory with --data if you mean that one", dataDir, uid)
		}
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return conn, nil
	}
	return &Client{dataDir, &http.Client{
		Transport:     &http.Transport{DialContext: dial, ResponseHeaderTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// DataDir is the data directory of the server.
func (c *Client) DataDir() string { return c.dataDir }

// call sends in as JSON, when there is any, and reads the answer into out.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return problem(response.Status, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the server's answer is not what this version of gatehouse expects: %w", err)
	}
	return nil
}

// send sends a request; body is JSON, or http.NoBody.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://gatehouse"+path, body)
	if err != nil {
		return nil, err
	}
	if body != http.NoBody {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		var unwrapped *url.Error
		if errors.As(err, &unwrapped) { // its text adds an address that means nothing to people
			err = unwrapped.Err
		}
		return nil, err
	}
	return response, nil
}

func problem(status string, answer []byte) error {
	var body struct {
		Error admin.Problem `json:"error"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Error.Message == "" {
		return fmt.Errorf("the server answered %s without saying why", status)
	}
	return &Error{body.Error}
}

// HasReason reports whether an error is the server's, with this reason.
func HasReason(err error, reason string) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, detail := range e.Details {
		if detail.Reason == reason {
			return true
		}
	}
	return false
}

// segment escapes a name as one segment of a path.
func segment(name string) string { return url.PathEscape(name) }
