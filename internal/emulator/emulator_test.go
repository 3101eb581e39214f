package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is one run of the emulator in this process.
type running struct {
	t              *testing.T
	options        Options
	stdout, stderr *output
	interrupt      context.CancelFunc
	done           chan struct{}
	code           int
	err            error
}

// start runs the emulator on a free port.
func start(t *testing.T, o Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, stdout: newOutput(), stderr: newOutput(), interrupt: cancel, done: make(chan struct{})}
	o.Stdout, o.Stderr = r.stdout, r.stderr
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.NewGate == nil {
		o.NewGate = newMemory().newGate
	}
	if o.Hello == nil {
		o.Hello = func(keysURL, audience string) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("hello " + keysURL + " " + audience))
			}), nil
		}
	}
	if o.ReadyFile == "" {
		o.ReadyFile = filepath.Join(t.TempDir(), "ready.json")
	}
	r.options = o
	go func() {
		defer close(r.done)
		r.code, r.err = Run(ctx, o)
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	return r
}

// command starts the emulator with a process in a role behind it.
func (w *witness) command(t *testing.T, role string, o Options) *running {
	t.Helper()
	o.Environ = w.environ(t, role)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Command = []string{binary}
	return start(t, o)
}

// ready waits for the banner and returns what the ready file says.
func (r *running) ready() Info {
	r.t.Helper()
	r.sees(r.stderr, "Ready ")
	content, err := os.ReadFile(r.options.ReadyFile)
	if err != nil {
		r.t.Fatal(err)
	}
	var info Info
	if err := json.Unmarshal(content, &info); err != nil {
		r.t.Fatal(err)
	}
	return info
}

// sees waits until the output holds text.
func (r *running) sees(o *output, text string) {
	r.t.Helper()
	for {
		got, changed := o.state()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-changed:
		case <-r.done:
			r.t.Fatalf("the run ended (code %d, error %v) without %q in:\n%s", r.code, r.err, text, o)
		case <-time.After(patience):
			r.t.Fatalf("no %q in:\n%s", text, o)
		}
	}
}

// ends waits for the end and checks the exit code.
func (r *running) ends(code int) error {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatalf("the run does not end; standard error:\n%s", r.stderr)
	}
	if r.code != code {
		r.t.Fatalf("exit code %d (%v), want %d", r.code, r.err, code)
	}
	return r.err
}

// get asks the emulator's machine address for a URL of any of its hosts.
func get(t *testing.T, info Info, host, path string, header ...string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, info.URLs.Machine+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content := make([]byte, 1<<20)
	n, _ := readFull(response, content)
	return response.StatusCode, string(content[:n])
}

func readFull(response *http.Response, content []byte) (n int, err error) {
	for n < len(content) && err == nil {
		var m int
		m, err = response.Body.Read(content[n:])
		n += m
	}
	return n, err
}

func TestTheAppOfACommandAnswersBehindTheGate(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	r := w.command(t, "app", Options{})
	info := r.ready()
	app := w.meet(t, "app")

	_, body := get(t, info, "app.localhost", "/")
	var env []string
	if err := json.Unmarshal([]byte(body), &env); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	for _, want := range []string{"GOOGLE_CLOUD_PROJECT=dev-project", "IAP_AUDIENCE=" + info.Audience} {
		if !slices.Contains(env, want) {
			t.Errorf("the app's environment lacks %s", want)
		}
	}
	address := strings.TrimPrefix(info.URLs.Machine, "http://")
	for _, want := range []string{"GCE_METADATA_HOST=" + address, "GCE_METADATA_IP=" + address, "NODE_USE_ENV_PROXY=1"} {
		if !slices.Contains(env, want) {
			t.Errorf("the app's environment lacks %s", want)
		}
	}
	if _, err := os.Stat(info.CAFile); err != nil || !slices.ContainsFunc(env, func(s string) bool {
		return strings.HasPrefix(s, "https_proxy=http://gatehouse:") && strings.Contains(s, "@127.0.0.1:")
	}) {
		t.Errorf("the app is not led to the proxy (%v): %v", err, env)
	}

	status, answer := get(t, info, "localhost", "/emulator/v1/info", markHeader, "1")
	var told Info
	if err := json.Unmarshal([]byte(answer), &told); status != http.StatusOK || err != nil || told.PID != info.PID || told.URLs != info.URLs {
		t.Errorf("info answers %d %s (%v)", status, answer, err)
	}

	r.interrupt()
	if err := r.ends(0); err != nil {
		t.Error(err)
	}
	app.dies(t)
	for _, path := range []string{r.options.ReadyFile, info.DataDir} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", path, err)
		}
	}
}

func TestTheReadyFileNamesOnlyWhatExists(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	info := r.ready()
	content, err := os.ReadFile(r.options.ReadyFile)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(content, &fields); err != nil {
		t.Fatal(err)
	}
	names := func(m map[string]any) (names []string) {
		for name := range m {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	if got, want := names(fields), []string{"accounts", "audience", "ca_file", "client_id", "data_dir", "pid", "project", "project_number", "service_account", "urls"}; !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
	if got, want := names(fields["urls"].(map[string]any)), []string{"app", "auth", "keys", "machine", "metadata"}; !slices.Equal(got, want) {
		t.Errorf("urls %v, want %v", got, want)
	}
	if info.PID != os.Getpid() || info.Audience != "/projects/123456789012/global/backendServices/1234567890123456789" ||
		info.ClientID != "123456789012-app.apps.googleusercontent.com" || len(info.Accounts) != 3 {
		t.Errorf("the ready file says %+v", info)
	}
	if _, port, _ := strings.Cut(info.URLs.Machine, "127.0.0.1"); info.URLs.App != "http://app.localhost"+port || info.URLs.Auth != "http://auth.localhost"+port || port == ":0" {
		t.Errorf("the URLs do not carry the port of the listener: %+v", info.URLs)
	}
	if leftovers, _ := filepath.Glob(filepath.Join(filepath.Dir(r.options.ReadyFile), ".*")); len(leftovers) > 0 {
		t.Errorf("left behind: %v", leftovers)
	}
}

func TestTheBuiltInAppIsAnOrdinaryUpstream(t *testing.T) {
	t.Parallel()
	memory := newMemory()
	info := start(t, Options{NewGate: memory.newGate}).ready()
	if _, body := get(t, info, "app.localhost", "/"); body != "hello "+info.URLs.Keys+" "+info.Audience {
		t.Errorf("the app says %q", body)
	}
	if upstream := memory.services[0].Upstream; upstream == info.URLs.Machine || !strings.HasPrefix(upstream, "http://127.0.0.1:") {
		t.Errorf("the app's upstream is %s", upstream)
	}
	if _, body := get(t, info, "127.0.0.1", "/iap/verify/public_key-jwk"); body != "keys at /iap/verify/public_key-jwk" {
		t.Errorf("the keys' URL answers %q", body)
	}
}

func TestTheDevelopersOwnValuesAreKept(t *testing.T) {
	t.Parallel()
	around := surroundings{info: Info{Project: "dev-project", Audience: "/a", URLs: URLs{Machine: "http://127.0.0.1:8080"}}}
	env, _, err := around.appEnvironment([]string{"GOOGLE_CLOUD_PROJECT=mine", "PORT=1", "GCE_METADATA_HOST=elsewhere"}, 4711)
	if err != nil || slices.Contains(env, "GOOGLE_CLOUD_PROJECT=dev-project") || slices.Contains(env, "GCE_METADATA_HOST=127.0.0.1:8080") ||
		!slices.Contains(env, "GCE_METADATA_IP=127.0.0.1:8080") || !slices.Contains(env, "PORT=4711") {
		t.Errorf("the environment is %v (%v)", env, err)
	}
	if env, _, _ := around.appEnvironment([]string{"GOOGLE_CLOUD_PROJECT="}, 0); !slices.Contains(env, "GOOGLE_CLOUD_PROJECT=dev-project") {
		t.Errorf("an empty project counts as set: %v", env)
	}
}

func TestAnAppThatListensOnIPv6OnlyIsReached(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	info := w.command(t, "app6", Options{}).ready()
	if status, body := get(t, info, "app.localhost", "/"); status != http.StatusOK || !strings.Contains(body, "IAP_AUDIENCE=") {
		t.Errorf("the app answers %d %s", status, body)
	}
}

func TestTheAppsDeathIsOurs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(t *testing.T, app *player)
		code int
		says string
	}{
		"its exit status is our exit code": {
			func(t *testing.T, app *player) { t.Helper(); app.tell(t, "exit 3") }, 3, "exit status 3",
		},
		"a clean end is a clean end": {
			func(t *testing.T, app *player) { t.Helper(); app.tell(t, "exit 0") }, 0, "",
		},
		"a signal counts as 128 and its number": {
			func(_ *testing.T, app *player) { _ = syscall.Kill(app.pid, syscall.SIGKILL) }, 137, "exit status 137",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			r := w.command(t, "app", Options{})
			r.ready()
			test.end(t, w.meet(t, "app"))
			err := r.ends(test.code)
			if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAnAppThatEndsBeforeItListensIsAFailure(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]int{3: 3, 0: 1} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			r := w.command(t, "silent", Options{})
			w.meet(t, "silent").tell(t, "exit "+strconv.Itoa(status))
			if err := r.ends(code); err == nil || !strings.Contains(err.Error(), "before it accepted connections") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAnAppThatNeverListensEndsWithItsLastLines(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	timeout := make(chan time.Time)
	r := w.command(t, "silent", Options{ReadyTimeout: time.Hour, After: func(d time.Duration) <-chan time.Time {
		if d == time.Hour {
			return timeout
		}
		return time.After(d)
	}})
	app := w.meet(t, "silent")
	r.sees(r.stdout, "compiling the app\n")
	r.sees(r.stderr, "still compiling\n")
	timeout <- time.Now()
	err := r.ends(1)
	if err == nil || !strings.Contains(err.Error(), "compiling the app\n") || !strings.Contains(err.Error(), "--ready-timeout") {
		t.Errorf("the error is %v", err)
	}
	app.dies(t)
}

func TestACommandThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Command: []string{"no-such-program-of-ours"}})
	if err := r.ends(1); err == nil || !strings.Contains(err.Error(), `"no-such-program-of-ours"`) {
		t.Errorf("the error is %v", err)
	}
}

func TestInterruptedBeforeReadyIsACleanEnd(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	r := w.command(t, "silent", Options{})
	app := w.meet(t, "silent")
	r.interrupt()
	if err := r.ends(0); err != nil {
		t.Error(err)
	}
	app.dies(t)
}
