package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
)

// Socket speaks to the administration socket of a gate as the commands do, without a process for each call.
type Socket struct{ client *http.Client }

// Socket returns a client of the gate's administration socket.
func (g *Gate) Socket() *Socket {
	path := filepath.Join(g.DataDir, "admin.sock")
	return &Socket{client: &http.Client{
		Timeout: Patience,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}},
	}}
}

// Call sends a request with a JSON body, unless that is nil, and reads the JSON answer. Any status but 200, and an
// answer that does not arrive whole, is an error: nothing was acknowledged.
func (s *Socket) Call(method, path string, body, answer any) error {
	var encoded bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&encoded).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequest(method, "http://gatehouse"+path, &encoded)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var problem bytes.Buffer
		_, _ = problem.ReadFrom(response.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, &problem)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
