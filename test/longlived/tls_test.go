package longlived

import (
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// serveCallsOverTLS returns an application with a certificate, and the file that says whom to trust for it.
func serveCallsOverTLS(t *testing.T) (string, *callApp) {
	t.Helper()
	certificate := harness.SelfSigned("127.0.0.1")
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, certificate.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, serveCalls(t, grpc.Creds(credentials.NewServerTLSFromCert(&certificate.Pair)))
}
