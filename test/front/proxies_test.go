package front

import (
	"context"
	"net"
	"os/exec"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// proxies are the programs in front, by name.
var proxies = map[string]program{
	"nginx":   {example: "behind-nginx", command: nginx},
	"HAProxy": {example: "behind-haproxy", command: haproxy},
	"Caddy":   {example: "behind-caddy", command: caddy, respells: map[string]string{"/a|b": "/a%7Cb"}},
}

// nginx includes the site, which is but a part of a configuration.
func nginx(w *world) (check, run *exec.Cmd) {
	site := w.write("gatehouse.conf", w.example("behind-nginx", "gatehouse.conf",
		"listen 80;", "listen 127.0.0.1:"+harness.FreePort(w.t)+";", "listen 443 ssl", "listen 127.0.0.1:"+w.port+" ssl",
		"server 127.0.0.1:8080;", "server "+w.gate+";", "/etc/nginx/tls/tls.crt", w.certFile, "/etc/nginx/tls/tls.key", w.keyFile))
	run = harness.Nginx(w.t, w.dir, "include "+site+";\n")
	return exec.Command(run.Path, append(run.Args[1:], "-t")...), run
}

func haproxy(w *world) (check, run *exec.Cmd) {
	pem := w.write("tls.pem", w.read(w.certFile)+w.read(w.keyFile))
	file := w.write("haproxy.cfg", w.example("behind-haproxy", "haproxy.cfg",
		"bind :80", "bind 127.0.0.1:"+harness.FreePort(w.t), "bind :443", "bind 127.0.0.1:"+w.port,
		"gatehouse 127.0.0.1:8080", "gatehouse "+w.gate, "/etc/haproxy/tls/tls.pem", pem))
	return checkAndRunHAProxy(w, file)
}

func checkAndRunHAProxy(w *world, file string) (check, run *exec.Cmd) {
	program := harness.Program(w.t, "haproxy")
	return exec.Command(program, "-c", "-f", file), exec.Command(program, "-db", "-f", file)
}

// caddy takes its ports from options that the example has no need of.
func caddy(w *world) (check, run *exec.Cmd) {
	options := "{\n\tadmin off\n\tdefault_bind 127.0.0.1\n\thttp_port " + harness.FreePort(w.t) + "\n\thttps_port " + w.port + "\n}\n"
	file := w.write("Caddyfile", options+w.example("behind-caddy", "Caddyfile",
		"127.0.0.1:8080", w.gate, "/etc/caddy/tls/tls.crt", w.certFile, "/etc/caddy/tls/tls.key", w.keyFile))
	args := []string{"--config", file, "--adapter", "caddyfile"}
	return exec.Command("caddy", append([]string{"validate"}, args...)...), exec.Command("caddy", append([]string{"run"}, args...)...)
}

// redirectTo dials one address whatever is asked for.
func redirectTo(dialer *net.Dialer, address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
}
