package browser

import (
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// tricks reads the corpus that sign-in is tested with.
func tricks(t *testing.T, evil, app, auth string) []string {
	t.Helper()
	text, err := os.ReadFile("../../internal/signin/testdata/redirect-tricks.txt")
	if err != nil {
		t.Fatal(err)
	}
	hosts := strings.NewReplacer("EVIL", evil, "APP", app, "AUTH", auth, "https", "http")
	var all []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		trick, err := strconv.Unquote(`"` + line + `"`)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, hosts.Replace(trick))
	}
	if len(all) < 300 {
		t.Fatalf("only %d tricks", len(all))
	}
	return all
}

// Every trick is followed to where it ends, by somebody who is signed in, so that nothing stops on the way. The trap
// counts visits, whoever is let in or not.
func TestNoTrickLeadsABrowserAway(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	evil, visits := trap(t)
	host := func(origin string) string { return strings.TrimPrefix(origin, "http://") }
	person := chromium.NewPage(t)
	person.Open(gate.App + "/")
	person.Click(harness.Alice)
	person.See("accounts.google.com:" + harness.Alice)

	all := tricks(t, host(evil), host(gate.App), host(gate.Auth))
	places := func(trick string) []string {
		escaped := url.QueryEscape(trick)
		return []string{
			gate.App + "/?gcp-iap-mode=GATEHOUSE_SIGN_IN&continue=" + escaped,
			gate.App + "/" + asTyped(trick) + "?gcp-iap-mode=FORCE_LOGIN",
			gate.App + "/" + asTyped(trick) + "?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=" + escaped,
			gate.Auth + "/signout?return=" + escaped,
		}
	}
	// Cheaply, by a script that follows redirects: every trick in every place.
	var addresses []string
	for _, trick := range all {
		addresses = append(addresses, places(trick)...)
	}
	ended := 0
	for i, origin := range person.FetchAll(addresses) {
		if origin == gate.App || origin == gate.Auth {
			ended++
		} else if origin != "" {
			t.Errorf("%s ends at %s", addresses[i], origin)
		}
	}
	if ended < len(all) {
		t.Errorf("only %d of %d addresses were followed to their end", ended, len(addresses))
	}
	// As people go there: every trick in one place, each place in turn, and the pages that are shown.
	for i, trick := range all {
		if i%3 > 0 {
			continue
		}
		address := places(trick)[i/3%4]
		// An address that the browser does not open at all leads nowhere.
		if origin, opened := person.Follow(address); opened && origin != gate.App && origin != gate.Auth {
			t.Errorf("%s ends at %s", address, origin)
		}
	}
	if visits.Load() > 0 {
		t.Errorf("the trap was visited %d times", visits.Load())
	}
}

// asTyped is a trick as the path of an address: what would end the path or cannot be typed is escaped, all else stays.
func asTyped(trick string) string {
	var b strings.Builder
	for i := range len(trick) {
		if c := trick[i]; c <= ' ' || c == 0x7f || c == '#' || c == '?' {
			b.WriteString(url.QueryEscape(string(rune(c))))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
