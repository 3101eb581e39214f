package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
	"github.com/gatehouse-iap/gatehouse/conformance"
)

// checkWorld is what `gatehouse check` is pointed at.
type checkWorld struct {
	iap                        *assertiontest.IAP
	right, wrong, secure, gate *httptest.Server
	emulator                   *httptest.Server
}

const checkToken = "an-id-token"

func newCheckWorld(t *testing.T) *checkWorld {
	t.Helper()
	w := &checkWorld{iap: assertiontest.New(assertiontest.Audience)}
	right := w.iap.Verifier().Handler(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("hello")) }))
	start := func(handler http.Handler, newServer func(http.Handler) *httptest.Server) *httptest.Server {
		server := newServer(handler)
		t.Cleanup(server.Close)
		return server
	}
	w.right, w.secure = start(right, httptest.NewServer), start(right, httptest.NewTLSServer)
	w.wrong = start(http.HandlerFunc(believing), httptest.NewServer)
	w.gate = start(w.gateTo(right), httptest.NewServer)
	w.emulator = start(w.emulate(), httptest.NewServer)
	return w
}

// believing is an application that believes a header, in Express.
func believing(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("X-Powered-By", "Express")
	if r.Header.Get("X-Goog-Authenticated-User-Email") == "" {
		rw.WriteHeader(http.StatusUnauthorized)
	}
}

func (w *checkWorld) gateTo(app http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+checkToken && r.Header.Get("Cookie") != "SESSION=1" {
			rw.Header().Set("X-Goog-IAP-Generated-Response", "true")
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		token := w.iap.Mint("alice@example.com")
		if kind := r.URL.Query().Get("iap-secure-token-test-type"); kind != "NOT_SET" {
			token = w.iap.Broken(assertiontest.Fault(kind))
		}
		r.Header.Set(assertion.Header, token)
		app.ServeHTTP(rw, r)
	})
}

func (w *checkWorld) emulate() http.Handler {
	mux := http.NewServeMux()
	answer := func(rw http.ResponseWriter, v any) { _ = json.NewEncoder(rw).Encode(v) }
	mux.Handle("/iap/verify/", w.iap.KeyHandler())
	mux.HandleFunc("/emulator/v1/info", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, map[string]any{
			"audience": assertiontest.Audience, "accounts": []any{map[string]string{"email": "alice@example.com", "subject": "accounts.google.com:1"}},
			"urls": map[string]string{"app": w.gate.URL, "keys": w.emulator.URL + "/iap/verify/public_key-jwk"},
		})
	})
	mux.HandleFunc("/emulator/v1/accounts/alice@example.com:generateIdToken", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, map[string]string{"token": checkToken})
	})
	mux.HandleFunc("/emulator/v1/assertions", func(rw http.ResponseWriter, r *http.Request) {
		var request struct{ Header, Claims map[string]any }
		if json.NewDecoder(r.Body).Decode(&request) != nil || len(request.Header) > 0 {
			rw.WriteHeader(http.StatusBadRequest) // assertiontest leaves the header alone
			return
		}
		options := []assertiontest.Option{assertiontest.Without("iss", "aud", "iat", "exp")}
		for name, value := range request.Claims {
			if options = append(options, assertiontest.Claim(name, value)); value == nil {
				options = append(options, assertiontest.Without(name))
			}
		}
		answer(rw, map[string]string{"assertion": w.iap.Mint("", options...)})
	})
	return mux
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// check runs the command with an environment of its own.
func check(env map[string]string, stdin string, args ...string) (status int, stdout, stderr string) {
	cmd := newCheckCommand(func(name string) string { return env[name] })
	var out, faults bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&faults)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	exit, _ := err.(exitError)
	return exit.code, out.String(), faults.String()
}

func TestCheckTellsRightFromWrongByItsStatus(t *testing.T) {
	t.Parallel()
	w := newCheckWorld(t)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.secure.Certificate().Raw})
	token, cookie, genuine := file(t, checkToken+"\n"), file(t, "Cookie: SESSION=1\n"), file(t, w.iap.Mint("alice@example.com"))
	for name, test := range map[string]struct {
		args   []string
		env    map[string]string
		stdin  string
		status int
		says   []string // on either output
	}{
		"right, the address alone":         {args: []string{w.right.URL}, says: []string{"what was tried was refused", "say --audience", "say --keys", "say --gate"}},
		"and all are required":             {args: []string{w.right.URL, "--require-all"}, status: 2, says: []string{"proves nothing yet"}},
		"right, with everything":           {args: []string{w.right.URL, "--emulator", w.emulator.URL}, says: []string{"a good assertion through the gate: 200", "alice@example.com", "cannot mint"}},
		"the emulator of --exec":           {args: []string{w.right.URL}, env: map[string]string{"GATEHOUSE_ENDPOINT": w.emulator.URL}, says: []string{"a good assertion through the gate: 200"}},
		"unless it is not wanted":          {args: []string{w.right.URL, "--emulator="}, env: map[string]string{"GATEHOUSE_ENDPOINT": "http://127.0.0.1:1"}},
		"one probe":                        {args: []string{w.wrong.URL, "--only=plain-id"}, says: []string{"1 refused, 0 accepted, 0 inconclusive, 0 not run: the application was not fooled"}},
		"the list of probes":               {args: []string{"--list"}, says: []string{"forged-known-key", "audience", "keys"}},
		"wrong":                            {args: []string{w.wrong.URL}, status: 1, says: []string{"plain-email", "ACCEPTED", "can be fooled", "google-auth-library"}},
		"wrong, said to be in Go":          {args: []string{w.wrong.URL, "--language=go"}, status: 1, says: []string{"gatehouse/assertion"}},
		"wrong, and allowed":               {args: []string{w.wrong.URL, "--allow=plain-email,plain-headers,plain-aliases,plain-duplicates"}, says: []string{"accepted (allowed)"}},
		"the gate by ID token":             {args: []string{w.right.URL, "--gate", w.gate.URL, "--identity-token-file", token}, says: []string{"through the gate: 200"}},
		"the gate by the environment":      {args: []string{w.right.URL, "--gate", w.gate.URL}, env: map[string]string{"GATEHOUSE_IDENTITY_TOKEN": checkToken}, says: []string{"through the gate: 200"}},
		"the gate by cookie":               {args: []string{w.right.URL, "--gate", w.gate.URL, "--cookie-file", cookie}, says: []string{"through the gate: 200"}},
		"a genuine assertion in a file":    {args: []string{w.right.URL, "--assertion-file", genuine}, says: []string{"a genuine assertion: 200"}},
		"and on standard input":            {args: []string{w.right.URL, "--assertion-file=-"}, stdin: w.iap.Mint("a@example.com"), says: []string{"a genuine assertion: 200"}},
		"a certificate of nobody":          {args: []string{w.secure.URL}, status: 2, says: []string{"certificate"}},
		"of an authority that is named":    {args: []string{w.secure.URL, "--ca-file", file(t, string(certificate))}},
		"or not looked at":                 {args: []string{w.secure.URL, "--insecure"}, says: []string{"WARNING", "NOT verified"}},
		"nobody there":                     {args: []string{"http://127.0.0.1:1"}, status: 2, says: []string{"nothing answers"}},
		"no address":                       {status: 2, says: []string{"URL is missing"}},
		"two addresses":                    {args: []string{w.right.URL, w.wrong.URL}, status: 2, says: []string{"unexpected argument"}},
		"a flag that is none":              {args: []string{w.right.URL, "--paht=/"}, status: 2, says: []string{"unknown flag"}},
		"a format that is none":            {args: []string{w.right.URL, "--format=xml"}, status: 2, says: []string{"--format"}},
		"a language that is none":          {args: []string{w.right.URL, "--language=cobol"}, status: 2, says: []string{"cobol"}},
		"a header that is none":            {args: []string{w.right.URL, "--header=Host"}, status: 2, says: []string{"--header"}},
		"no time":                          {args: []string{w.right.URL, "--timeout=0s"}, status: 2, says: []string{"--timeout"}},
		"a gate without credential":        {args: []string{w.right.URL, "--gate", w.gate.URL}, status: 2, says: []string{"--identity-token-file"}},
		"a credential without gate":        {args: []string{w.right.URL, "--identity-token-file", token}, status: 2, says: []string{"--gate"}},
		"two credentials":                  {args: []string{w.right.URL, "--gate", w.gate.URL, "--identity-token-file", token, "--cookie-file", cookie}, status: 2, says: []string{"exclude"}},
		"a credential of two lines":        {args: []string{w.right.URL, "--gate", w.gate.URL, "--cookie-file", file(t, "a\nb")}, status: 2, says: []string{"one line"}},
		"a file that is not there":         {args: []string{w.right.URL, "--assertion-file=nowhere"}, status: 2, says: []string{"nowhere"}},
		"authorities that are none":        {args: []string{w.right.URL, "--ca-file", token}, status: 2, says: []string{"no certificate"}},
		"an account without emulator":      {args: []string{w.right.URL, "--account=alice@example.com"}, status: 2, says: []string{"--emulator"}},
		"an account that is unknown":       {args: []string{w.right.URL, "--emulator", w.emulator.URL, "--account=eve@example.com"}, status: 2, says: []string{"eve@example.com"}},
		"an emulator that is another":      {args: []string{w.right.URL, "--emulator", w.wrong.URL}, status: 2, says: []string{"gatehouse dev"}},
		"the gate instead of the app":      {args: []string{w.gate.URL}, status: 2, says: []string{"is a gate"}},
		"a probe to allow that is unknown": {args: []string{w.right.URL, "--allow=forgery"}, status: 2, says: []string{"forgery"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := check(test.env, test.stdin, test.args...)
			if status != test.status {
				t.Errorf("it ends with %d, not %d\n%s%s", status, test.status, stderr, stdout)
			}
			for _, want := range test.says {
				if !strings.Contains(stdout+stderr, want) {
					t.Errorf("it does not say %q:\n%s%s", want, stderr, stdout)
				}
			}
		})
	}
}

func TestChecksReportIsJSONForMachines(t *testing.T) {
	t.Parallel()
	w := newCheckWorld(t)
	_, stdout, _ := check(nil, "", w.right.URL, "--emulator", w.emulator.URL, "--format=json", "--path=/a?b=c", "--path=/d")
	var report conformance.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if report.Summary.Refused == 0 || report.Time.IsZero() || report.Version == "" || len(report.KeyIDs) != 1 || report.KeyIDs[0] != w.iap.KeyID() || len(report.Paths) != 2 {
		t.Errorf("it says %+v", report)
	}
}
