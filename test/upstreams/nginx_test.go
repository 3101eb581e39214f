package upstreams

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// nginxConfig has nginx answer as the application does. What is at @go is the Go application's to answer.
const nginxConfig = `daemon off;
user root; # where it is started as root, it would go on as somebody who may not read DIR
pid DIR/nginx.pid;
error_log stderr;
worker_processes 1;
events {}
http {
  log_format posted "$request_method $uri";
  access_log off;
  client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
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
	address := freeAddress(t)
	for name, content := range map[string][]byte{
		"files/file": pattern[:small], "files/down": pattern, "files/trailers": []byte("the end"), "files/gzip.gz": z.Bytes(),
		"nginx.conf": []byte(strings.NewReplacer("DIR", dir, "GO", strings.TrimPrefix(goApp, "http://"), "ADDRESS", address).Replace(nginxConfig)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	harness.Shell(t, dir, "exec /usr/sbin/nginx -p . -e stderr -c nginx.conf")
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for until := time.Now().Add(harness.Patience); ; <-look.C {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return "http://" + address, dir
		} else if time.Now().After(until) {
			t.Fatalf("nginx does not listen: %v", err)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
