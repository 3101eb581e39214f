package upstreams

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// nginxConfig has nginx answer as the application does. What is at @go is the Go application's to answer.
const nginxConfig = `
  log_format posted "$request_method $uri";
  client_max_body_size 0;
  underscores_in_headers on; # to an application, X_Goog_… and X-Goog-… are one
  absolute_redirect off;
  upstream go { server GO; keepalive 8; }
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  server {
    listen ADDRESS;
    root DIR/files;
    location /who {
      default_type application/json;
      return 200 '{"Method": "$request_method", "Host": "$http_host", "Target": "$request_uri", "Header": {
        "X-Goog-Iap-Jwt-Assertion": ["$http_x_goog_iap_jwt_assertion"], "X-Goog-Authenticated-User-Id": ["$http_x_goog_authenticated_user_id"],
        "X-Goog-Authenticated-User-Email": ["$http_x_goog_authenticated_user_email"], "X-Forwarded-For": ["$http_x_forwarded_for"],
        "X-Client-Cert": ["$http_client_cert"], "Cookie": ["$http_cookie"], "X-Unknown": ["$http_x_unknown"]}}';
    }
    location = /down { if ($arg_chunked) { rewrite ^ /chunked last; } }
    location = /chunked { internal; alias DIR/files/down; add_trailer X-None none; } # a trailer makes chunks
    location = /trailers { add_header Trailer X-Checksum; add_trailer X-Checksum 7; }
    location /kept/ { dav_methods PUT; }
    location = /gzip { gzip_static always; }
    location = /cookies { add_header Set-Cookie "a=1; Path=/"; add_header Set-Cookie "b=2; HttpOnly"; add_header Set-Cookie "a=3; Path=/deep"; return 200; }
    location = /redirect { return 302 "../else%2Fwhere?x=%20#there"; }
    location = /missing { add_header X-Page own always; return 404 "not found, says the application"; }
    location = /broken { add_header X-Page own always; return 500 "broken, says the application"; }
    location /hangs/ { access_log DIR/posted.log posted; return 444; }
    location = /peer { return 200 $remote_port; }
    location ~ ^/(up|events|push|socket|dies) {
      proxy_pass http://go;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade;
    }
  }
`

// startNginx runs nginx in front of the Go application until the test ends. It returns its origin and its directory.
func startNginx(t *testing.T, goApp string) (origin, dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "files", "kept"), 0o755); err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = io.WriteString(w, packedText)
	_ = w.Close()
	address := harness.FreeAddress(t)
	for name, content := range map[string][]byte{
		"files/file": pattern[:small], "files/down": pattern, "files/trailers": []byte("the end"), "files/gzip.gz": z.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	nginx := harness.Nginx(t, dir, strings.NewReplacer("DIR", dir, "GO", strings.TrimPrefix(goApp, "http://"), "ADDRESS", address).Replace(nginxConfig))
	nginx.Args = append(nginx.Args, "-g", "user root;") // where root starts it, it would go on as somebody who may not read dir
	harness.StartProcess(t, "nginx", nginx).AwaitListener(t, address)
	return "http://" + address, dir
}
