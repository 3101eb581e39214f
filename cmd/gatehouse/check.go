package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/conformance"
	"github.com/gatehouse-iap/gatehouse/emulator"
)

const checkLong = `check sends an application, straight at its own address and around the gate, what somebody would send who wants
to get in without the gate: no assertion, IAP's plain headers, forged and altered assertions. With --gate it also
goes through the gate, with IAP's SECURE_TOKEN_TEST.

With the address alone, a refused forgery proves little: perhaps it was for the wrong audience. --audience and
--keys make forgeries as good as a stranger can. --emulator, a gatehouse dev in front of the application, gives
all of that, and signs assertions that are wrong in one claim. What could not be tried is listed as not run.

401 and 403 are refusals (--refused-status), 2xx is an acceptance (--expect-status); other answers are
inconclusive unless they are what a genuine assertion is answered. Redirects are not followed.

The status is 0 when everything that was tried was refused, 1 when anything was accepted, and 2 when the check
could not be made or an answer is inconclusive; with --require-all also when a probe was not run.`

// checkFlags are what the command line says.
type checkFlags struct {
	conformance.Check
	headers      []string
	language     string
	timeout      time.Duration
	insecure     bool
	caFile       string
	emulator     string
	account      string
	gate         string
	tokenFile    string
	cookieFile   string
	assertFile   string
	requireAll   bool
	list         bool
	getenv       func(string) string
	emulatorSaid bool
}

func newCheckCommand(getenv func(string) string) *cobra.Command {
	f := &checkFlags{getenv: getenv}
	cmd := &cobra.Command{
		Use:   "check URL",
		Short: "Find out whether an application can be fooled",
		Long:  checkLong,
		Example: `  gatehouse check http://127.0.0.1:3000/
  gatehouse check http://10.0.0.7:8080 --path=/reports --public-path=/healthz \
      --audience=/projects/123456789012/global/backendServices/1234567890123456789 \
      --keys=https://auth.example.com/iap/verify/public_key
  gatehouse check http://127.0.0.1:3000 --emulator=http://127.0.0.1:8080
  gatehouse dev --exec 'gatehouse check http://127.0.0.1:$PORT --require-all' -- npm start
  gatehouse check https://app.internal --gate=https://app.example.com --identity-token-file=token --format=json`,
		// What is wrong with the command line is said in RunE, where the status is ours.
		Args: cobra.ArbitraryArgs,
	}
	format := &output{format: formatTable}
	f.define(cmd)
	cmd.Flags().StringVar(&format.format, "format", formatTable, "how to print: table, json")
	completeFlag(cmd, "format", formatTable, formatJSON)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return couldNotCheck(cmd, err) })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.list {
			return printTable(cmd.OutOrStdout(), []string{"PROBE", "NEEDS", "WHAT IS SENT"}, probeRows())
		}
		err := errors.Join(arguments("URL")(cmd, args), oneOf("format", format.format, []string{formatTable, formatJSON}))
		if err != nil {
			return couldNotCheck(cmd, err)
		}
		f.URL = args[0]
		f.emulatorSaid = cmd.Flags().Changed("emulator")
		report, err := f.run(cmd)
		if err != nil {
			return couldNotCheck(cmd, err)
		}
		if err := printCheck(cmd, format, report, f.requireAll); err != nil {
			return couldNotCheck(cmd, err)
		}
		if status := report.ExitStatus(f.requireAll); status != conformance.Clean {
			return exitError{status}
		}
		return nil
	}
	return cmd
}

// couldNotCheck ends with the status that says so: 1 would mean that something was accepted.
func couldNotCheck(cmd *cobra.Command, err error) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "gatehouse: %s\n", printable(err.Error()))
	return exitError{conformance.Undecided}
}

func (f *checkFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.Paths, "path", nil, "protected `path` to ask for (repeatable; default: the URL's)")
	flags.StringArrayVar(&f.PublicPaths, "public-path", nil, "`path` that is open to all, such as a health check (repeatable)")
	flags.StringVar(&f.Method, "method", http.MethodGet, "`method` of the requests")
	flags.StringArrayVar(&f.headers, "header", nil, "`'Name: value'` to send along, such as Host (repeatable)")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long an answer may take")
	flags.BoolVar(&f.insecure, "insecure", false, "do not verify certificates, and say so in the report")
	flags.StringVar(&f.caFile, "ca-file", "", "`file` with the certificates of authorities to trust, in PEM")
	flags.IntSliceVar(&f.RefusedStatus, "refused-status", []int{401, 403}, "`statuses` that refuse")
	flags.IntSliceVar(&f.ExpectedStatus, "expect-status", nil, "`statuses` of those who are let in (default: all of 2xx)")
	flags.StringVar(&f.Audience, "audience", "", "the application's `audience`")
	flags.StringVar(&f.KeysURL, "keys", "", "`URL` of the keys that the application trusts, in either form")
	flags.StringVar(&f.Email, "email", "", "`address` of a person whom the application knows, to forge (default "+conformance.DefaultEmail+")")
	flags.StringVar(&f.assertFile, "assertion-file", "", "`file` with a genuine assertion, not older than ten minutes; - is standard input")
	flags.StringVar(&f.emulator, "emulator", "", "`URL` of a gatehouse dev in front of the application (default $GATEHOUSE_ENDPOINT)")
	flags.StringVar(&f.account, "account", "", "the emulator's `account` that may use the application (default: its first)")
	flags.StringVar(&f.gate, "gate", "", "`URL` of the application through the gate, for SECURE_TOKEN_TEST")
	flags.StringVar(&f.tokenFile, "identity-token-file", "", "`file` with an ID token for the gate (default $GATEHOUSE_IDENTITY_TOKEN)")
	flags.StringVar(&f.cookieFile, "cookie-file", "", "`file` with the Cookie header of a session at the gate, instead of an ID token")
	flags.StringVar(&f.CallbackAddress, "callback", "", "`address` here, which the application can reach, to see whether it fetches keys from it")
	flags.StringSliceVar(&f.Only, "only", nil, "`probes` to make (default: all)")
	flags.StringSliceVar(&f.Allowed, "allow", nil, "`probes` that may be accepted: reported, but not counted")
	flags.BoolVar(&f.requireAll, "require-all", false, "status 2 when a probe was not run")
	flags.BoolVar(&f.list, "list", false, "print the probes instead of making them")
	flags.StringVar(&f.language, "language", "", "what the application is written in: "+languageNames()+" (default: guessed)")
	completeFlag(cmd, "language", strings.Split(languageNames(), ", ")...)
}

func languageNames() string {
	var all []string
	for _, language := range conformance.Languages() {
		all = append(all, string(language))
	}
	return strings.Join(all, ", ")
}

// run makes the check that the flags describe.
func (f *checkFlags) run(cmd *cobra.Command) (*conformance.Report, error) {
	if f.language != "" {
		if err := oneOf("language", f.language, strings.Split(languageNames(), ", ")); err != nil {
			return nil, err
		}
		f.Language = conformance.Language(f.language)
	}
	if f.insecure {
		say(cmd, "WARNING: --insecure: certificates are not verified, so that anybody may have answered")
	}
	if err := errors.Join(f.readHeaders(), f.readAssertion(cmd.InOrStdin()), f.makeClients()); err != nil {
		return nil, err
	}
	f.Version = version()
	if err := f.useEmulator(cmd.Context()); err != nil {
		return nil, err
	}
	if err := f.useGate(); err != nil {
		return nil, err
	}
	report, err := f.Run(cmd.Context())
	if err == nil {
		report.InsecureTLS = f.insecure
	}
	return report, err
}

func (f *checkFlags) readHeaders() error {
	f.Header = http.Header{}
	for _, line := range f.headers {
		name, value, found := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !found || name == "" {
			return fmt.Errorf("--header %q is not Name: value", line)
		}
		f.Header.Add(name, strings.TrimSpace(value))
	}
	return nil
}

func (f *checkFlags) readAssertion(stdin io.Reader) error {
	var err error
	switch f.assertFile {
	case "":
	case "-":
		f.Assertion, err = readSmall(stdin)
	default:
		f.Assertion, err = readSecret("assertion-file", f.assertFile)
	}
	return err
}

func (f *checkFlags) makeClients() error {
	config := conformance.ClientConfig{Timeout: f.timeout, Insecure: f.insecure}
	if f.timeout <= 0 {
		return fmt.Errorf("--timeout %s leaves no time to answer", f.timeout)
	}
	if f.caFile != "" {
		text, err := os.ReadFile(f.caFile)
		if err != nil {
			return fmt.Errorf("--ca-file: %w", err)
		}
		if config.Roots, err = x509.SystemCertPool(); err != nil {
			config.Roots = x509.NewCertPool()
		}
		if !config.Roots.AppendCertsFromPEM(text) {
			return fmt.Errorf("--ca-file %s holds no certificate in PEM", f.caFile)
		}
	}
	f.Client = conformance.NewClient(config)
	config.Proxy = http.ProxyFromEnvironment
	f.KeyClient = conformance.NewClient(config)
	return nil
}

// useEmulator takes from a gatehouse dev what was not said.
func (f *checkFlags) useEmulator(ctx context.Context) error {
	if !f.emulatorSaid {
		f.emulator = f.getenv("GATEHOUSE_ENDPOINT")
	}
	if f.emulator == "" {
		if f.account != "" {
			return errors.New("--account names an account of gatehouse dev: say with --emulator where it runs")
		}
		return nil
	}
	dev := &emulator.Client{Endpoint: f.emulator}
	info, err := dev.Info(ctx)
	if err == nil && (info.Audience == "" || info.URLs.Keys == "") {
		err = errors.New("what answers is not gatehouse dev")
	}
	if err != nil {
		return fmt.Errorf("--emulator %s: %w", f.emulator, err)
	}
	f.Minter = conformance.Emulator{Client: dev}
	if f.account == "" && len(info.Accounts) > 0 {
		f.account = info.Accounts[0].Email
	}
	for _, said := range []struct{ flag, found *string }{
		{&f.Audience, &info.Audience}, {&f.KeysURL, &info.URLs.Keys}, {&f.gate, &info.URLs.App}, {&f.Email, &f.account},
	} {
		if *said.flag == "" {
			*said.flag = *said.found
		}
	}
	i := slices.IndexFunc(info.Accounts, func(a emulator.Account) bool { return a.Email == f.Email })
	if i >= 0 {
		f.Subject = info.Accounts[i].Subject
	}
	if f.gate == "" || f.tokenFile != "" || f.cookieFile != "" || f.getenv("GATEHOUSE_IDENTITY_TOKEN") != "" {
		return nil
	}
	token, err := dev.IDToken(ctx, f.account, "")
	if err != nil {
		return fmt.Errorf("--account %s: %w", f.account, err)
	}
	f.Gate = &conformance.Gate{Header: http.Header{"Authorization": {"Bearer " + token}}}
	return nil
}

// useGate finds the credential for the gate.
func (f *checkFlags) useGate() error {
	if f.gate == "" {
		if f.tokenFile != "" || f.cookieFile != "" {
			return errors.New("--identity-token-file and --cookie-file are for the gate: name it with --gate")
		}
		return nil
	}
	if f.Gate == nil {
		header, err := f.credential()
		if err != nil {
			return err
		}
		f.Gate = &conformance.Gate{Header: header}
	}
	f.Gate.URL = f.gate
	f.Gate.Client = f.KeyClient // through proxies, as people come
	return nil
}

func (f *checkFlags) credential() (http.Header, error) {
	switch token := f.getenv("GATEHOUSE_IDENTITY_TOKEN"); {
	case f.tokenFile != "" && f.cookieFile != "":
		return nil, errors.New("--identity-token-file and --cookie-file exclude each other")
	case f.cookieFile != "":
		cookie, err := readSecret("cookie-file", f.cookieFile)
		return http.Header{"Cookie": {strings.TrimPrefix(cookie, "Cookie: ")}}, err
	case f.tokenFile != "":
		token, err := readSecret("identity-token-file", f.tokenFile)
		return http.Header{"Authorization": {"Bearer " + token}}, err
	case token != "":
		return http.Header{"Authorization": {"Bearer " + strings.TrimSpace(token)}}, nil
	}
	return nil, errors.New("--gate needs a credential: --identity-token-file, $GATEHOUSE_IDENTITY_TOKEN or --cookie-file; or --emulator, which makes one")
}

// readSecret reads a file of one line.
func readSecret(flag, name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	defer file.Close()
	text, err := readSmall(file)
	if err != nil || text == "" || strings.ContainsAny(text, "\r\n") {
		return "", errors.Join(err, fmt.Errorf("--%s %s does not hold one line", flag, name))
	}
	return text, nil
}

func readSmall(r io.Reader) (string, error) {
	const limit = 64 << 10
	text, err := io.ReadAll(io.LimitReader(r, limit))
	return strings.TrimSpace(string(text)), err
}
