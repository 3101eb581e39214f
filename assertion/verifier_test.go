package assertion_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// newIAP returns an IAP whose clock, like that of its verifiers, stands at noon.
func newIAP() *assertiontest.IAP {
	iap := assertiontest.New(assertiontest.Audience)
	iap.Now = at(noon)
	return iap
}

func TestAValidAssertionSaysWhoAsks(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	claims, err := iap.Verifier().Verify(context.Background(), iap.Mint("alice@example.com", assertiontest.Claim("hd", "example.com")))
	if err != nil {
		t.Fatal(err)
	}
	if claims.Email != "alice@example.com" || claims.HostedDomain != "example.com" || claims.IdentitySource != assertion.SourceGoogle {
		t.Errorf("claims are %+v", claims)
	}
	if claims.Subject != assertiontest.Subject("alice@example.com") || claims.Namespace() != "accounts.google.com" || claims.Public() {
		t.Errorf("subject is %q", claims.Subject)
	}
	if claims.Audience != iap.Audience || claims.AuthorizedParty != iap.Audience || claims.Issuer != assertion.Issuer || claims.KeyID != iap.KeyID() {
		t.Errorf("claims are %+v", claims)
	}
	if !claims.Expires.Equal(claims.IssuedAt.Add(10*time.Minute)) || !claims.IssuedAt.Equal(noon.Add(-30*time.Second)) {
		t.Errorf("valid from %v to %v", claims.IssuedAt, claims.Expires)
	}
}

func TestEveryFaultIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	verifier := iap.Verifier()
	for _, fault := range assertiontest.Faults() {
		for _, turn := range []string{"first", "second"} { // a refusal must not be remembered as a success
			claims, err := verifier.Verify(context.Background(), iap.Broken(fault))
			if !errors.Is(err, fault.Reason()) || claims != nil {
				t.Errorf("%s, %s time: got %v, %v; want reason %q", fault, turn, claims, err, string(fault.Reason()))
			}
			var refusal *assertion.Error
			if !errors.As(err, &refusal) || refusal.Reason != fault.Reason() {
				t.Errorf("%s: %v is no *assertion.Error with its reason", fault, err)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	for name, c := range map[string]struct {
		issued   time.Time
		lifetime time.Duration
		want     error
	}{
		"an assertion issued now passes":                                        {noon, 10 * time.Minute, nil},
		"one issued 30 s ahead of us passes":                                    {noon.Add(30 * time.Second), 10 * time.Minute, nil},
		"one issued 31 s ahead of us does not":                                  {noon.Add(31 * time.Second), 10 * time.Minute, assertion.ErrIssuedInFuture},
		"one that expired 30 s ago passes":                                      {noon.Add(-10*time.Minute - 30*time.Second), 10 * time.Minute, nil},
		"one that expired 31 s ago does not":                                    {noon.Add(-10*time.Minute - 31*time.Second), 10 * time.Minute, assertion.ErrExpired},
		"a lifetime of 10 min and twice the skew passes":                        {noon, 11 * time.Minute, nil},
		"a second more does not":                                                {noon, 11*time.Minute + time.Second, assertion.ErrLifetime},
		"no lifetime at all does not pass":                                      {noon, 0, assertion.ErrLifetime},
		"an end before the beginning does not pass":                             {noon.Add(10 * time.Second), -20 * time.Second, assertion.ErrLifetime},
		"from the beginning to the end of time is a lifetime, not a wraparound": {time.Unix(0, 0), noon.Sub(time.Unix(0, 0)), assertion.ErrLifetime},
	} {
		for _, size := range []int{0, -1} {
			verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{iap.Audience}, Keys: iap, Now: iap.Now, CacheSize: size})
			if err != nil {
				t.Fatal(err)
			}
			token := iap.Mint("alice@example.com", assertiontest.IssuedAt(c.issued), assertiontest.Lifetime(c.lifetime))
			if _, err := verifier.Verify(context.Background(), token); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
		}
	}
}

// rawSigner signs any bytes, for what assertiontest cannot be made to mint.
type rawSigner struct{ private *ecdsa.PrivateKey }

func newRawSigner(t testing.TB) rawSigner {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return rawSigner{private}
}

const rawKeyID = "rawkey"

func (s rawSigner) sign(header, payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	content := encode([]byte(header)) + "." + encode([]byte(payload))
	digest := sha256.Sum256([]byte(content))
	r, v, err := ecdsa.Sign(rand.Reader, s.private, digest[:])
	if err != nil {
		panic(err)
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	v.FillBytes(raw[32:])
	return content + "." + encode(raw)
}

func (s rawSigner) verifier(t testing.TB) *assertion.Verifier {
	t.Helper()
	v, err := assertion.NewVerifier(assertion.Config{
		Audiences: []string{assertiontest.Audience}, Now: at(noon),
		Keys: assertion.StaticKeySet{rawKeyID: &s.private.PublicKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const goodHeader = `{"alg":"ES256","typ":"JWT","kid":"rawkey"}`

// payload returns claims that are valid at noon, with more members behind them.
func payload(more string) string {
	return fmt.Sprintf(`{"iss":%q,"aud":%q,"iat":%d,"exp":%d%s}`,
		assertion.Issuer, assertiontest.Audience, noon.Unix(), noon.Unix()+600, more)
}

const alice = `,"sub":"accounts.google.com:1","email":"alice@example.com"`

func TestHeaders(t *testing.T) {
	t.Parallel()
	signer := newRawSigner(t)
	verifier := signer.verifier(t)
	for header, want := range map[string]error{
		goodHeader:                                                 nil,
		`{"alg":"ES256","kid":"rawkey"}`:                           nil, // typ may be left out
		`{"alg":"ES256","kid":"rawkey","x":1}`:                     nil, // an unknown parameter is ignored (RFC 7515, section 4)
		`{"alg":"es256","kid":"rawkey"}`:                           assertion.ErrAlgorithm,
		`{"ALG":"ES256","kid":"rawkey"}`:                           assertion.ErrAlgorithm,
		`{"kid":"rawkey"}`:                                         assertion.ErrAlgorithm,
		`{"alg":["ES256"],"kid":"rawkey"}`:                         assertion.ErrAlgorithm,
		`{"alg":"none","ALG":"ES256","kid":"rawkey"}`:              assertion.ErrAlgorithm,
		`{"alg":"none","alg":"ES256","kid":"rawkey"}`:              assertion.ErrMalformed,
		`{"alg":"none","\u0061lg":"ES256","kid":"rawkey"}`:         assertion.ErrMalformed,
		`{"alg":"ES256","kid":"rawkey","x":{"a":1,"a":1}}`:         assertion.ErrMalformed,
		`{"alg":"ES256"}`:                                          assertion.ErrNoKeyID,
		`{"alg":"ES256","kid":null}`:                               assertion.ErrNoKeyID,
		`{"alg":"ES256","kid":""}`:                                 assertion.ErrNoKeyID,
		`{"alg":"ES256","kid":7}`:                                  assertion.ErrMalformed,
		`{"alg":"ES256","kid":"` + strings.Repeat("k", 200) + `"}`: assertion.ErrMalformed,
		`{"alg":"ES256","kid":"../../dev/null"}`:                   assertion.ErrUnknownKey,
		`{"alg":"ES256","kid":"rawkey","jku":"https://a.invalid"}`: assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","jwk":{}}`:                  assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","x5u":"https://a.invalid"}`: assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","x5c":[]}`:                  assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","x5t":""}`:                  assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","x5t#S256":""}`:             assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","crit":["exp"]}`:            assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","zip":"DEF"}`:               assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","crit":null}`:               assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","b64":false}`:               assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","typ":"at+jwt"}`:            assertion.ErrHeader,
		`{"alg":"ES256","kid":"rawkey","typ":7}`:                   assertion.ErrHeader,
		`null`:                                                     assertion.ErrMalformed, `[]`: assertion.ErrMalformed, ``: assertion.ErrMalformed,
		goodHeader + ` {}`: assertion.ErrMalformed, "{\"alg\":\"\xff\"}": assertion.ErrMalformed,
	} {
		if _, err := verifier.Verify(context.Background(), signer.sign(header, payload(alice))); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", header, err, want)
		}
	}
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	signer := newRawSigner(t)
	verifier := signer.verifier(t)
	good := signer.sign(goodHeader, payload(alice))
	parts := strings.Split(good, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	order := elliptic.P256().Params().N.FillBytes(make([]byte, 32))
	withSignature := func(r, s []byte) string {
		return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(append(append([]byte(nil), r...), s...))
	}
	padded := append(append(append([]byte(nil), raw[:32]...), 0), raw[32:]...)
	short := parts[0] + "." + parts[1] + "."
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"nothing":                            {"", assertion.ErrMissing},
		"a scheme before it":                 {"Bearer " + good, assertion.ErrMalformed},
		"white space behind it":              {good + " ", assertion.ErrMalformed},
		"a line break inside":                {good[:20] + "\n" + good[20:], assertion.ErrMalformed},
		"two assertions joined by a comma":   {good + "," + good, assertion.ErrMalformed},
		"four parts":                         {good + ".", assertion.ErrMalformed},
		"two parts":                          {parts[0] + "." + parts[1], assertion.ErrMalformed},
		"padding":                            {good + "==", assertion.ErrMalformed},
		"no signature":                       {short, assertion.ErrSignature},
		"a signature of zeros":               {short + strings.Repeat("A", 86), assertion.ErrSignature},
		"r is zero":                          {withSignature(make([]byte, 32), raw[32:]), assertion.ErrSignature},
		"s is zero":                          {withSignature(raw[:32], make([]byte, 32)), assertion.ErrSignature},
		"r is the order of the curve":        {withSignature(order, raw[32:]), assertion.ErrSignature},
		"s is the order of the curve":        {withSignature(raw[:32], order), assertion.ErrSignature},
		"r and s change places":              {withSignature(raw[32:], raw[:32]), assertion.ErrSignature},
		"r is the greatest number":           {withSignature(bytes.Repeat([]byte{0xff}, 32), raw[32:]), assertion.ErrSignature},
		"a signature that is one byte short": {short + base64.RawURLEncoding.EncodeToString(make([]byte, 63)), assertion.ErrSignature},
		"a signature with a zero before s":   {short + base64.RawURLEncoding.EncodeToString(padded), assertion.ErrSignature},
		"standard base64":                    {parts[0] + "." + parts[1] + "." + strings.Repeat("+", 86), assertion.ErrMalformed},
		"bits set behind the end":            {short + strings.Repeat("A", 85) + "B", assertion.ErrMalformed},
		"a payload that was cut":             {parts[0] + "." + parts[1][4:] + "." + parts[2], assertion.ErrSignature},
		"too many bytes":                     {good + strings.Repeat("A", assertion.MaxTokenBytes), assertion.ErrTooLarge},
	} {
		if _, err := verifier.Verify(context.Background(), c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, err := verifier.Verify(context.Background(), good); err != nil {
		t.Errorf("the one good spelling: %v", err)
	}
}

func TestAKeyOfAnotherCurveVerifiesNothing(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader) // its signatures fit into 64 bytes
	if err != nil {
		t.Fatal(err)
	}
	signer := rawSigner{private}
	if _, err := signer.verifier(t).Verify(context.Background(), signer.sign(goodHeader, payload(alice))); !errors.Is(err, assertion.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

type brokenKeys struct{ err error }

func (b brokenKeys) Key(context.Context, string) (*ecdsa.PublicKey, error) { return nil, b.err }

func TestAKeySetThatFailsIsARefusal(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	for _, c := range []struct{ err, want error }{
		{nil, assertion.ErrUnknownKey}, // neither key nor error
		{fmt.Errorf("wrapped: %w", assertion.ErrUnknownKey), assertion.ErrUnknownKey},
		{errors.New("disk on fire"), assertion.ErrKeysUnavailable},
		{context.Canceled, context.Canceled},
	} {
		verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{iap.Audience}, Keys: brokenKeys{c.err}, Now: iap.Now})
		if err != nil {
			t.Fatal(err)
		}
		if claims, err := verifier.Verify(context.Background(), iap.Mint("alice@example.com")); !errors.Is(err, c.want) || claims != nil {
			t.Errorf("key set says %v: got %v, %v", c.err, claims, err)
		}
	}
}

func TestTheAudienceMustBeNamed(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]assertion.Config{
		"none":                {},
		"an empty one":        {Audiences: []string{""}},
		"one of two is empty": {Audiences: []string{assertiontest.Audience, ""}},
		"an OAuth client id":  {Audiences: []string{"123456789012-app.apps.googleusercontent.com"}},
		"a URL":               {Audiences: []string{"https://app.example.com"}},
		"with a line break":   {Audiences: []string{assertiontest.Audience + "\n"}},
		"with an empty part":  {Audiences: []string{"/projects//apps/dev-project"}},
		"incomplete":          {Audiences: []string{assertion.AppEngineAudience(0, "dev-project")}},
		"skipped and named":   {Audiences: []string{assertiontest.Audience}, InsecureSkipAudienceCheck: true},
	} {
		if _, err := assertion.NewVerifier(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSeveralAudiencesAndNone(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	token := iap.Mint("alice@example.com")
	for name, c := range map[string]struct {
		config assertion.Config
		want   error
	}{
		"one of two":     {assertion.Config{Audiences: []string{assertion.AppEngineAudience(1, "a"), iap.Audience}}, nil},
		"another one":    {assertion.Config{Audiences: []string{assertion.AppEngineAudience(1, "a")}}, assertion.ErrAudience},
		"a prefix of it": {assertion.Config{Audiences: []string{strings.TrimSuffix(iap.Audience, "9")}}, assertion.ErrAudience},
		"check skipped":  {assertion.Config{InsecureSkipAudienceCheck: true}, nil},
	} {
		c.config.Keys, c.config.Now = iap, iap.Now
		verifier, err := assertion.NewVerifier(c.config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.Verify(context.Background(), token); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
