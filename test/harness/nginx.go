package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// nginxConfiguration keeps all that nginx writes in a directory, and logs no requests.
const nginxConfiguration = `daemon off; worker_processes 1; pid %[1]s/nginx.pid; error_log stderr;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/client_body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
%[2]s}
`

// Nginx prepares nginx with what stands in its http block, to run in a directory until it is told to end.
func Nginx(t testing.TB, dir, http string) *exec.Cmd {
	t.Helper()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfiguration, dir, http), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(Program(t, "nginx"), "-p", dir, "-e", "stderr", "-c", file)
}
