package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Check says what is checked, and what is at hand for it. Only URL is required.
type Check struct {
	// URL is the application's own address, not the gate's. Its path is the one that is asked for unless there are
	// Paths.
	URL string
	// Paths are protected: each answers with success to people who are let in, and to nobody else.
	Paths []string
	// PublicPaths are open to all, as health checks are. Nobody is to be believed there either.
	PublicPaths []string
	Method      string      // default GET
	Header      http.Header // sent with every request to the application; Host is honoured

	// Client reaches the application; nil means NewClient without anything special.
	Client *http.Client
	// KeyClient fetches keys; nil means one that knows proxies.
	KeyClient *http.Client

	// Audience is the application's. Without it forgeries are made for one that is made up.
	Audience string
	// KeysURL is where the gate publishes its keys, in either form; "" means that they are not at hand.
	KeysURL string
	// Email is in whose name forgeries are made: best that of somebody whom the application knows.
	Email string
	// Subject is that person's sub claim, with or without its namespace; made up when it is empty.
	Subject string
	// Assertion is a genuine one, not older than ten minutes. With a Minter none is needed.
	Assertion string
	Minter    Minter
	Gate      *Gate
	// CallbackAddress is where the check listens to see whether keys are fetched from where a token says. The
	// application must be able to reach it. When the application is on this machine, a free port is taken.
	CallbackAddress string
	// CallbackPatience is how long after it was told where keys are an application may take to fetch them; 0 means 2
	// seconds.
	CallbackPatience time.Duration

	// Only are the probes to make; empty means all.
	Only []string

	RefusedStatus  []int // statuses that turn away; nil means 401 and 403
	ExpectedStatus []int // statuses of those who are let in; nil means all of 2xx
	// Allowed are probes that may be accepted: they are reported, and do not count.
	Allowed  []string
	Language Language // of the remedies; "" means: guess

	Version string           // of the program, for the report
	Now     func() time.Time // nil means time.Now
}

// madeUpAudience stands for one that is not known.
const madeUpAudience = "/projects/100000000001/global/backendServices/1000000000000000001"

// DefaultEmail is in whose name forgeries are made when nobody is named.
const DefaultEmail = "intruder@example.com"

// run is a Check that is being made.
type run struct {
	Check
	app      *target
	kit      *kit
	judge    *judge
	gate     *judge // judges what comes through the gate
	toNobody map[string][]byte
	report   *Report
}

// Run makes the check. An error means that it could not be made at all; what went wrong with single probes is in
// the report.
func (c Check) Run(ctx context.Context) (*Report, error) {
	r, err := c.prepare()
	if err != nil {
		return nil, err
	}
	if err := r.equip(ctx); err != nil {
		return nil, err
	}
	if r.kit.callback != nil {
		defer r.kit.callback.close()
	}
	if err := r.baseline(ctx); err != nil {
		return nil, err
	}
	for _, probe := range Probes() {
		if len(c.Only) > 0 && !slices.Contains(c.Only, probe.ID) {
			continue
		}
		result, err := r.probe(ctx, probe)
		if err != nil {
			return nil, err
		}
		r.report.Probes = append(r.report.Probes, *result)
	}
	for _, path := range c.PublicPaths {
		result, err := r.public(ctx, path)
		if err != nil {
			return nil, err
		}
		r.report.Probes = append(r.report.Probes, *result)
	}
	if r.kit.callback != nil {
		r.kit.callback.await(ctx, r.CallbackPatience)
		r.lateFetches()
	}
	r.doubt()
	r.report.finish()
	return r.report, nil
}

// prepare reads what was asked for, and finds what is wrong with it before anything is sent.
func (c Check) prepare() (*run, error) {
	origin, err := url.Parse(c.URL)
	if err != nil || origin.Scheme != "http" && origin.Scheme != "https" || origin.Host == "" || origin.User != nil {
		return nil, fmt.Errorf("%q is not the address of an application, such as http://127.0.0.1:3000/", c.URL)
	}
	if len(c.Paths) == 0 {
		path := origin.RequestURI()
		if path == "" {
			path = "/"
		}
		c.Paths = []string{path}
	}
	for _, path := range slices.Concat(c.Paths, c.PublicPaths) {
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("the path %q does not begin with /", path)
		}
	}
	for _, path := range c.PublicPaths {
		if slices.Contains(c.Paths, path) {
			return nil, fmt.Errorf("the path %q cannot be public and protected", path)
		}
	}
	c.setDefaults()
	if err := c.checkAllowed(); err != nil {
		return nil, err
	}
	r := &run{Check: c, toNobody: map[string][]byte{}}
	r.app = &target{origin: &url.URL{Scheme: origin.Scheme, Host: origin.Host}, client: c.Client, method: c.Method, header: c.Header, agent: c.agent()}
	r.judge = &judge{refused: c.RefusedStatus, expected: c.ExpectedStatus, good: map[string]*Answer{}}
	r.gate = &judge{refused: c.RefusedStatus, expected: c.ExpectedStatus, good: map[string]*Answer{}}
	r.report = &Report{Time: c.Now().UTC(), Version: c.Version, URL: r.app.origin.String(), Paths: c.Paths, Language: c.Language}
	return r, nil
}

func (c *Check) setDefaults() {
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.Client == nil {
		c.Client = NewClient(ClientConfig{})
	}
	if c.KeyClient == nil {
		c.KeyClient = NewClient(ClientConfig{Proxy: http.ProxyFromEnvironment})
	}
	if c.RefusedStatus == nil {
		c.RefusedStatus = []int{http.StatusUnauthorized, http.StatusForbidden}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.CallbackPatience == 0 {
		c.CallbackPatience = 2 * time.Second
	}
	if c.Email == "" {
		c.Email = DefaultEmail
	}
}

func (c *Check) agent() string { return strings.TrimSuffix("gatehouse-check/"+c.Version, "/") }

func (c *Check) checkAllowed() error {
	for _, id := range slices.Concat(c.Allowed, c.Only) {
		if !slices.ContainsFunc(Probes(), func(p Probe) bool { return p.ID == id }) {
			return fmt.Errorf("there is no probe %q", id)
		}
	}
	for _, status := range slices.Concat(c.RefusedStatus, c.ExpectedStatus) {
		if status < 200 || status > 599 {
			return fmt.Errorf("%d is no status that an application answers with", status)
		}
		if slices.Contains(c.RefusedStatus, status) && slices.Contains(c.ExpectedStatus, status) {
			return fmt.Errorf("the status %d cannot mean refused and let in", status)
		}
	}
	return nil
}

// equip gathers what probes are made with, and notes what is missing.
func (r *run) equip(ctx context.Context) error {
	forger, err := newForger()
	if err != nil {
		return err
	}
	k := &kit{now: r.Now, forger: forger, audience: r.Audience, missing: map[Need]string{}, minter: r.Minter}
	r.kit = k
	k.person, k.other = stranger(r.Email), stranger("somebody.else@example.com")
	if r.Subject != "" {
		k.person.subject = namespaced(r.Subject)
	}
	if k.audience == "" {
		k.audience = madeUpAudience
		k.missing[NeedAudience] = "the application's audience is not known: say --audience"
	}
	if k.minter == nil {
		k.missing[NeedMinter] = "only the gate's own key can sign it: run the application under `gatehouse dev` and say --emulator"
	}
	if r.Gate == nil {
		k.missing[NeedGate] = "the gate is not known: say --gate"
	}
	if err := r.takeGenuine(ctx); err != nil {
		return err
	}
	r.takeKeys(ctx)
	r.takeCallback()
	r.report.Audience, r.report.Person = r.Audience, r.Email
	return nil
}

// takeGenuine gets hold of a genuine assertion, if there is a way.
func (r *run) takeGenuine(ctx context.Context) error {
	token := strings.TrimSpace(r.Assertion)
	if token == "" && r.Minter != nil {
		var err error
		token, err = r.Minter.Mint(ctx, nil, r.kit.claims())
		if errors.Is(err, ErrCannotMint) {
			r.kit.missing[NeedAssertion], r.kit.missing[NeedMinter] = err.Error(), err.Error()
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot mint an assertion: %w", err)
		}
	}
	if token == "" {
		r.kit.missing[NeedAssertion] = "no genuine assertion is at hand: say --emulator or --assertion-file"
		return nil
	}
	var ok bool
	if r.kit.genuine, r.kit.genuineClaims, ok = parseCompact(token); !ok {
		return errors.New("what was given as a genuine assertion is none: it is the value of " + assertionHeader + ", three parts of base64url")
	}
	return r.believeGenuine()
}

// believeGenuine takes the audience from the assertion when it was not said.
func (r *run) believeGenuine() error {
	audience, _ := r.kit.genuineClaims["aud"].(string)
	switch {
	case audience == "":
		return errors.New("the genuine assertion has no audience")
	case r.Audience == "":
		r.Audience, r.kit.audience = audience, audience
		delete(r.kit.missing, NeedAudience)
	case r.Audience != audience:
		return fmt.Errorf("the genuine assertion is for %q, and the application's audience is %q", audience, r.Audience)
	}
	return nil
}

func (r *run) takeKeys(ctx context.Context) {
	if r.KeysURL == "" {
		r.kit.missing[NeedKeys] = "the gate's keys are not known: say --keys"
		return
	}
	keys, err := fetchKeys(ctx, r.KeyClient, r.KeysURL)
	if err != nil {
		r.kit.missing[NeedKeys] = "the gate's keys could not be fetched: " + err.Error()
		return
	}
	keys.prefer(r.kit.genuine.keyID())
	r.kit.keys = keys
	r.report.KeyIDs = keys.ids
}

func (r *run) takeCallback() {
	address := r.CallbackAddress
	if address == "" {
		if !loopback(r.app.origin.Hostname()) {
			r.kit.missing[NeedCallback] = "the application is on another machine: say --callback, an address here that it can reach"
			return
		}
		address = "127.0.0.1:0"
	}
	callback, err := startCallback(address, r.kit.forger, r.Now)
	if err != nil {
		r.kit.missing[NeedCallback] = "cannot listen for the application: " + err.Error()
		return
	}
	r.kit.callback = callback
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
