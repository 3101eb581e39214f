package verifiers

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// writeGaps writes the page instead of checking it: go test ./verifiers -run Gaps -args -write-gaps.
var writeGaps = flag.Bool("write-gaps", false, "write docs/verifier-gaps.md instead of checking it")

const gapsPage = "../../docs/verifier-gaps.md"

// secureTokenTest are the types of IAP's own test, without the good one.
var secureTokenTest = []assertiontest.Fault{
	assertiontest.FutureIssue, assertiontest.PastExpiration, assertiontest.WrongIssuer, assertiontest.WrongAudience, assertiontest.WrongSignature,
}

func TestOurAssertionCatchesEachTypeOfSecureTokenTest(t *testing.T) {
	t.Parallel()
	gate := assertiontest.New(assertiontest.Audience)
	for _, fault := range secureTokenTest {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			_, err := gate.Verifier().Verify(t.Context(), gate.Broken(fault))
			if !errors.Is(err, fault.Reason()) {
				t.Errorf("the answer is %v, not %v", err, fault.Reason())
			}
		})
	}
}

func TestThePageOfGapsSaysWhatTheVerifiersDo(t *testing.T) {
	t.Parallel()
	gate := assertiontest.New(assertiontest.Audience)
	keys := assertiontest.NewServer(gate)
	t.Cleanup(keys.Close)
	tokens := []string{gate.Mint("alice@example.com")}
	for _, fault := range assertiontest.Faults() {
		tokens = append(tokens, gate.Broken(fault))
	}
	missed := map[string][]assertiontest.Fault{}
	for name, verify := range verifiers() {
		outcomes := verify(t, tokens, assertiontest.Audience, strings.TrimSuffix(keys.PEMURL, "/public_key"))
		if outcomes[0].Refused != "" {
			t.Errorf("%s refuses a good assertion, so that the rest says nothing: %s", name, outcomes[0].Refused)
		}
		missed[name] = []assertiontest.Fault{}
		for i, fault := range assertiontest.Faults() {
			if outcomes[i+1].Refused == "" {
				missed[name] = append(missed[name], fault)
			}
		}
	}
	if got := missed["Go: our `assertion`"]; len(got) != 0 {
		t.Errorf("our own assertion misses %v", got)
	}
	if t.Failed() {
		return
	}
	page := gaps(missed)
	if *writeGaps {
		if err := os.WriteFile(gapsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(gapsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != page {
		t.Errorf("docs/verifier-gaps.md does not say what the verifiers do; if that is right, write it anew:\n"+
			"\tcd test && go test ./verifiers -run Gaps -args -write-gaps\nit would say:\n%s", page)
	}
}

// gaps is the page.
func gaps(missed map[string][]assertiontest.Fault) string {
	var b strings.Builder
	b.WriteString(gapsIntroduction)
	names := make([]string, 0, len(missed))
	for name := range missed {
		names = append(names, name)
	}
	slices.Sort(names)
	slices.SortStableFunc(names, func(a, b string) int { return len(missed[a]) - len(missed[b]) })

	b.WriteString("\n## SECURE_TOKEN_TEST\n\nThe six types of IAP's own test; the assertion of `NOT_SET` is good.\n\n| verifier | `NOT_SET` |")
	rule := "| --- | --- |"
	for _, fault := range secureTokenTest {
		fmt.Fprintf(&b, " `%s` |", fault)
		rule += " --- |"
	}
	b.WriteString("\n" + rule + "\n")
	for _, name := range names {
		fmt.Fprintf(&b, "| %s | accepted |", name) // or the test has failed
		for _, fault := range secureTokenTest {
			if slices.Contains(missed[name], fault) {
				b.WriteString(" **missed** |")
			} else {
				b.WriteString(" caught |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(otherFaults)
	for _, name := range names {
		fmt.Fprintf(&b, "| %s | %s |\n", name, others(missed[name]))
	}
	b.WriteString(whatTheFaultsAre)
	for _, fault := range assertiontest.Faults() {
		if !slices.Contains(secureTokenTest, fault) {
			fmt.Fprintf(&b, "| `%s` | %s |\n", fault, fault.Reason().Text())
		}
	}
	b.WriteString(notRun)
	return b.String()
}

// others lists what is missed beyond IAP's own test.
func others(missed []assertiontest.Fault) string {
	var all []string
	for _, fault := range missed {
		if !slices.Contains(secureTokenTest, fault) {
			all = append(all, "`"+string(fault)+"`")
		}
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

const gapsIntroduction = `# What verifiers miss

Which broken assertions the usual verifiers let through, each called as its documentation says for IAP. A test
writes this page from what they do (` + "`test/verifiers`" + `), in the versions that the tests have: Go's and npm's as in
test/go.mod and test/node/package.json, Python's and Ruby's as Debian packages them. Each of them accepts a good assertion.

What a verifier misses, the application has to check itself: see [verify the assertion](verify-assertion.md), and
[check an application](check.md) for finding out what it really does.
`

const otherFaults = `
## Other faults

Each is one fault of an assertion that is right in everything else, and signed by the gate's own key unless the fault is in the signature
itself. So not all of these are holes: only the gate could make an assertion that lives for an hour, or that names the address of a key
(` + "`KEY_URL`" + `) which nobody needs. But each is a check less.

| verifier | misses |
| --- | --- |
`

const whatTheFaultsAre = `
| fault | our ` + "`assertion`" + ` says |
| --- | --- |
`

// notRun is what is known of libraries that the tests do not have.
const notRun = `
## Not run here

Google's libraries for Java, PHP and C#, and the one for Python, of which Debian has a version that is too old for ES256, are not among those that the
tests have. This is what their public documentation and source say of IAP's assertion; nobody has run them against this gate, and an application that
uses one of them is best asked itself, with [` + "`gatehouse check`" + `](check.md).

| library | checks, by its documentation | so of IAP's test it misses | its keys |
| --- | --- | --- | --- |
| Python: ` + "`google.oauth2.id_token.verify_token`" + ` | signature, ` + "`exp` and `iat`" + ` without tolerance; ` + "`aud`" + ` where it is given; not ` + "`iss`" + ` | ` + "`ISSUER`" + `, unless the application looks itself; ` + "`AUDIENCE`" + ` where it is not given | ` + "`certs_url`" + `, which has to be given; fetched for each assertion |
| Java: ` + "`com.google.auth.oauth2.TokenVerifier`" + ` | signature and ` + "`exp`" + `; ` + "`aud` and `iss`" + ` where they are set; not ` + "`iat`" + ` | ` + "`FUTURE_ISSUE`" + `; ` + "`ISSUER` and `AUDIENCE`" + ` where they are not set | ` + "`public_key-jwk`" + `, with ` + "`alg`" + ` on each key; ` + "`setCertificatesLocation`" + ` leads elsewhere; kept for an hour |
| PHP: ` + "`Google\\Auth\\AccessToken::verify`" + ` | signature, ` + "`exp` and `iss`" + `; ` + "`aud`" + ` where it is given | ` + "`AUDIENCE`" + ` where it is not given; of ` + "`iat`" + ` its documentation says nothing | ` + "`public_key-jwk`" + ` by ` + "`certsLocation`" + `, a URL or a file; needs ` + "`kelvinmo/simplejwt`" + ` |
| C#: ` + "`JsonWebSignature.VerifySignedTokenAsync`" + ` of Google.Apis.Auth | signature, ` + "`exp` and `iat`" + ` with a tolerance; ` + "`aud` and `iss`" + ` where they are listed | ` + "`ISSUER` and `AUDIENCE`" + ` where they are not listed | ` + "`public_key-jwk`" + ` as ` + "`GoogleAuthConsts.IapKeySetUrl`" + `; ` + "`CertificatesUrl`" + ` leads elsewhere |
`
