package traffic

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	size      = 1 << 30
	maxGrowth = 32 << 20 // of the gate, whatever it passes on
)

// pattern is a body of a size that nobody holds in memory: byte n is the remainder of n by 251.
type pattern struct{ at, size int64 }

func (p *pattern) Read(b []byte) (int, error) {
	if p.at == p.size {
		return 0, io.EOF
	}
	n := copy(b, cycle[p.at%251:])
	n = int(min(int64(n), p.size-p.at))
	p.at += int64(n)
	return n, nil
}

// Write compares what comes with the pattern.
func (p *pattern) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		want := cycle[p.at%251:]
		n := min(len(want), len(rest))
		if string(rest[:n]) != string(want[:n]) {
			return 0, fmt.Errorf("other bytes than were sent, within %d from %d", n, p.at)
		}
		rest = rest[n:]
		p.at += int64(n)
	}
	return len(b), nil
}

var cycle = func() []byte {
	b := make([]byte, 251*512)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}()

// application gives and takes bodies, with a length or in chunks.
func application(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/down":
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, &pattern{size: size}, make([]byte, 64<<10))
	case "/up":
		taken := &pattern{}
		if _, err := io.Copy(taken, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprint(w, r.ContentLength, " ", taken.at)
	case "/echo":
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, r.Body, make([]byte, 64<<10))
	}
}

func TestAGigabytePassesInConstantMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Fatalf("this reads /proc; run it on Linux, not on %s", runtime.GOOS)
	}
	app := httptest.NewServer(http.HandlerFunc(application))
	defer app.Close()
	gate := harness.Start(t, "--upstream", app.URL)
	token := "Bearer " + gate.IdentityToken(t, harness.Alice)
	client := harness.Client(nil)
	client.Timeout = 0
	send := func(t *testing.T, method, path string, length int64, body io.Reader) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, gate.App+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if body != nil {
			r.ContentLength = length
		}
		r.Header.Set("Authorization", token)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		if response.StatusCode != http.StatusOK {
			t.Fatal(response.Status)
		}
		return response
	}
	harness.Get(t, client, gate.App+"/", "Authorization", token) // what is measured has been used
	before := peakBytes(t, gate.Ready.PID)

	download := func(t *testing.T, path string, length, want int64, body io.Reader) {
		t.Helper()
		method := http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
		response, got := send(t, method, path, -1, body), &pattern{}
		if _, err := io.Copy(got, response.Body); err != nil || got.at != want || response.ContentLength != length {
			t.Errorf("%d bytes of length %d, %v", got.at, response.ContentLength, err)
		}
	}
	t.Run("down with a length", func(t *testing.T) { download(t, "/down?length", size, size, nil) })
	t.Run("down in chunks", func(t *testing.T) { download(t, "/down", -1, size, nil) })
	t.Run("up with a length", func(t *testing.T) {
		answer, err := io.ReadAll(send(t, http.MethodPost, "/up", size, &pattern{size: size}).Body)
		if want := fmt.Sprint(size, " ", size); string(answer) != want || err != nil {
			t.Errorf("%q, %v; want %q", answer, err, want)
		}
	})
	t.Run("up in chunks", func(t *testing.T) {
		answer, err := io.ReadAll(send(t, http.MethodPost, "/up", -1, &pattern{size: size}).Body)
		if want := fmt.Sprint(-1, " ", size); string(answer) != want || err != nil {
			t.Errorf("%q, %v; want %q", answer, err, want)
		}
	})
	t.Run("both ways at once", func(t *testing.T) { download(t, "/echo", -1, size/4, &pattern{size: size / 4}) })

	after := peakBytes(t, gate.Ready.PID)
	t.Logf("the gate held %.1f MB before and %.1f MB at most", float64(before)/(1<<20), float64(after)/(1<<20))
	if after-before > maxGrowth {
		t.Errorf("the gate has grown by %.1f MB", float64(after-before)/(1<<20))
	}
}

// peakBytes returns the most memory that a process has held.
func peakBytes(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatal("/proc shows no VmHWM")
	return 0
}
