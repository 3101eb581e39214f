package front

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

var wholeManifest = regexp.MustCompile("(?s)```yaml\n(apiVersion: .*?)```")

// nginx behind the gate: it says over what it was asked, and by whom.
const behind = `  ssl_certificate DIR/server.crt; ssl_certificate_key DIR/server.key;
  server { listen 127.0.0.1:WIKI; return 200 "$scheme $server_protocol"; }
  server { listen 127.0.0.1:BILLING ssl; return 200 "$scheme $ssl_server_name"; }
  server { listen 127.0.0.1:LEDGER ssl; ssl_verify_client on; ssl_client_certificate DIR/ca.pem; return 200 "$scheme $ssl_client_s_dn"; }
  server { listen 127.0.0.1:SEARCH http2; return 200 "$scheme $server_protocol"; }
  server { listen 127.0.0.1:PRINTER ssl; ssl_certificate DIR/printer.crt; ssl_certificate_key DIR/printer.key; return 200 "$scheme unverified"; }
`

// The manifests of the page, with its addresses, hosts and files replaced and nothing else.
func TestTheUpstreamsOfThePageAreReached(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/upstreams.md")
	if err != nil {
		t.Fatal(err)
	}
	site := harness.NewSite(t)
	issueCertificates(t, site)
	ports := map[string]string{"wiki": harness.FreePort(t), "billing": harness.FreePort(t), "ledger": harness.FreePort(t), "search": harness.FreePort(t), "printer": harness.FreePort(t)}
	replace := []string{"DIR", site.Dir, "/etc/gatehouse/internal-ca.pem", site.Dir + "/ca.pem", "/etc/gatehouse/client", site.Dir + "/client", ".example.com", ".localhost"}
	for name, port := range ports {
		replace = append(replace, strings.ToUpper(name), port)
	}
	for address, name := range map[string]string{
		"10.0.3.1:8080": "wiki", "10.0.3.2:8443": "billing", "10.0.3.3:8443": "ledger", "10.0.3.4:50051": "search", "10.0.3.5": "printer",
	} {
		replace = append(replace, address, "127.0.0.1:"+ports[name])
	}
	as := strings.NewReplacer(replace...)
	nginx := harness.StartProcess(t, "nginx", harness.Nginx(t, site.Dir, as.Replace(behind)))
	nginx.AwaitListener(t, "127.0.0.1:"+ports["printer"])

	blocks := wholeManifest.FindAllStringSubmatch(string(page), -1)
	if len(blocks) != len(ports) {
		t.Fatalf("the page shows %d manifests, and %d are known here", len(blocks), len(ports))
	}
	site.Init(t, "--host=first.localhost", "--upstream=http://127.0.0.1:"+ports["wiki"])
	manifests := site.Read(t, "apps.yaml")
	for _, block := range blocks {
		manifests += "\n---\n" + as.Replace(block[1])
	}
	manifests += "\n---\napiVersion: gatehouse.dev/v1\nkind: IamPolicy\nmetadata: {name: all}\nspec:\n  resource: projects/gatehouse/iap_web\n" +
		"  bindings: [{role: roles/iap.httpsResourceAccessor, members: [allUsers]}]\n"
	site.Write(t, "apps.yaml", manifests)
	gate := site.Serve(t)
	for name, want := range map[string]string{
		"wiki": "http HTTP/1.1", "billing": "https billing.internal", "ledger": "https CN=gatehouse", "search": "http HTTP/2.0", "printer": "https unverified",
	} {
		if answer := harness.Get(t, harness.Client(nil), site.URL(name+".localhost")+"/"); answer.StatusCode != http.StatusOK || answer.Text != want {
			t.Errorf("%s: status %d %q, want %q", name, answer.StatusCode, answer.Text, want)
		}
	}
	if log := gate.Output(); !strings.Contains(log, "insecureSkipVerify") || !strings.Contains(log, "printer") {
		t.Errorf("the log does not warn of the application that is not verified:\n%s", log)
	}

	// Each of the lines is needed.
	site.Write(t, "apps.yaml", strings.NewReplacer("serverName: billing.internal", "serverName: elsewhere.internal",
		"    certFile: "+site.Dir+"/client.crt\n    keyFile: "+site.Dir+"/client.key\n", "", "{insecureSkipVerify: true}", "{insecureSkipVerify: false}",
		"h2c://", "http://").Replace(manifests))
	gate.AwaitLine(t, "msg=reloaded what=manifests")
	for _, name := range []string{"billing", "ledger", "printer", "search"} {
		if answer := harness.Get(t, harness.Client(nil), site.URL(name+".localhost")+"/"); answer.StatusCode == http.StatusOK {
			t.Errorf("%s without what the page says: status %d %q", name, answer.StatusCode, answer.Text)
		}
	}
}

// issueCertificates writes an authority, what it issued for the applications and for the gate, and a certificate that
// nobody vouches for.
func issueCertificates(t *testing.T, site *harness.Site) {
	t.Helper()
	authority := harness.NewAuthority("Company CA")
	site.Write(t, "ca.pem", string(authority.PEM))
	for name, certificate := range map[string]*harness.Certificate{
		"server":  authority.Issue("applications", "billing.internal", "ledger.internal"),
		"client":  authority.Issue("gatehouse"),
		"printer": harness.SelfSigned("printer.internal"),
	} {
		site.Write(t, name+".crt", string(certificate.PEM))
		site.Write(t, name+".key", string(certificate.KeyPEM))
	}
}
