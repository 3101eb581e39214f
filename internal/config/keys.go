package config

import (
	"crypto/tls"
	"log/slog"
	"net/netip"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

// keys is the table of the file: what may be written, what it means, and where it goes. The reference page and
// `gatehouse config explain` are made from it.
func (c *Config) keys() []key {
	return []key{
		{name: "project", required: true, restart: true, example: "{id: my-project, number: 1}", value: section[Project]{&c.Project, projectKeys},
			meaning: "The project that everything here belongs to. Its number is part of every resource name and of every assertion's audience: use the number of your Google Cloud project where applications come from there, else any."},
		{name: "externalURL", required: true, restart: true, example: "https://auth.example.com", value: externalURL(&c.ExternalURL),
			meaning: "How browsers reach the auth host: https://HOST or https://HOST:PORT. Scheme and port hold for every host, whatever the listeners say. http is for localhost names only, where browsers keep secure cookies without TLS."},
		{name: "authHost", restart: true, standard: "the host of externalURL", example: "auth.example.com", value: host(&c.AuthHost),
			meaning: "The host at which people sign in for all applications. When both are written, they must agree."},
		{name: "dataDir", required: true, restart: true, example: "/var/lib/gatehouse", value: text(&c.DataDir, "a directory"),
			meaning: "Where the store, the decision log and the administration socket are. It is made 0700 when it does not exist, and must belong to the user who runs the server."},
		{name: "rootKey", restart: true, standard: "{file: DATADIR/root.key}", example: "{file: /etc/gatehouse/root.key}", value: section[Secret]{&c.RootKey, secretKeys},
			meaning: "The key that seals all secrets in the store: base64 of 32 bytes, several on lines of their own, newest first. A file that does not exist is made, mode 0600, together with an empty store and never later."},
		{name: "listeners", required: true, restart: true, example: `[{address: ":443", tls: {…}}]`, value: sections[Listener]{&c.Listeners, listenerKeys},
			meaning: "Where clients come in."},
		{name: "admin", value: section[Admin]{&c.Admin, adminKeys},
			meaning: "The listener for load balancers and monitoring."},
		{name: "trustedProxies", standard: "none", example: "[10.0.0.0/8]", value: networks(&c.TrustedProxies),
			meaning: "Networks of proxies in front of this server. Only their X-Forwarded-For, -Proto and -Host count, and they may use any host name over any connection."},
		{name: "manifests", standard: "none", example: "[manifests]", value: paths(&c.Manifests),
			meaning: "Files and directories of manifests (services, policies, identity providers, …) that are applied at start and whenever they change."},
		{name: "googleEndpoints", value: section[GoogleEndpoints]{&c.GoogleEndpoints, googleEndpointsKeys},
			meaning: "Listeners at which the server answers in the place of www.gstatic.com and metadata.google.internal, for applications written for Google Cloud that are pointed here; docs/unchanged-apps.md says how."},
		{name: "pages", value: section[Pages]{&c.Pages, pagesKeys},
			meaning: "How the pages that people see look; docs/custom-pages.md says what can be changed."},
		{name: "tracing", value: section[Tracing]{&c.Tracing, tracingKeys},
			meaning: "Traces of requests for an OpenTelemetry collector; docs/monitoring.md says what is in them."},
		{name: "audit", value: section[Audit]{&c.Audit, auditKeys},
			meaning: "The records of who was let in or refused, and of who changed what; docs/audit.md says how they are used."},
		{name: "log", value: section[Log]{&c.Log, logKeys},
			meaning: "The server's own log, on standard error."},
	}
}

func projectKeys(p *Project) []key {
	return []key{
		{name: "id", required: true, restart: true, example: "my-project", value: projectID(&p.ID),
			meaning: "The project's id: 6 to 30 lower-case letters, digits and hyphens."},
		{name: "number", required: true, restart: true, example: "123456789012", value: positive(&p.Number),
			meaning: "The project's number."},
	}
}

func secretKeys(s *Secret) []key {
	return []key{
		{name: "file", restart: true, example: "/etc/gatehouse/root.key", value: text(&s.File, "a file"),
			meaning: "A file that only the user who runs the server can read."},
		{name: "env", restart: true, example: "GATEHOUSE_ROOT_KEY", value: variable(&s.Env),
			meaning: "An environment variable."},
	}
}

func listenerKeys(l *Listener) []key {
	if l.Limits == (listener.Limits{}) {
		l.Limits = listener.DefaultLimits()
	}
	return []key{
		{name: "address", required: true, restart: true, example: `":443"`, value: address(&l.Address),
			meaning: "HOST:PORT, or :PORT for all addresses. A socket of that address that systemd passes is used."},
		{name: "tls", restart: true, standard: "plain HTTP", value: optional[TLS]{&l.TLS, tlsKeys},
			meaning: "Answers TLS, with HTTP/2."},
		{name: "redirectToHTTPS", standard: "true on a plain listener when externalURL is https", example: "false", value: optionalBoolean(&l.redirect),
			meaning: "Answers plain requests with the https address of the same page. Requests that a trusted proxy received over HTTPS are served."},
		{name: "proxyProtocol", standard: "not expected", value: optional[ProxyProtocol]{&l.ProxyProtocol, proxyProtocolKeys},
			meaning: "Takes the client's address from the PROXY protocol, version 1 or 2."},
		{name: "healthCheck", restart: true, standard: "not answered", value: optional[HealthCheck]{&l.HealthCheck, healthCheckKeys},
			meaning: "Answers a load balancer's health checks on this listener."},
		{name: "limits", restart: true, value: section[listener.Limits]{&l.Limits, limitsKeys},
			meaning: "What clients of this listener may take; docs/limits.md says how each limit is answered and counted."},
	}
}

func healthCheckKeys(h *HealthCheck) []key {
	return []key{
		{name: "path", required: true, restart: true, example: "/-/healthz", value: plainPath(&h.Path),
			meaning: "The path, to the letter, that is answered on this listener for every host, before anything else: 200 while the server answers people, else 503. No application gets requests for it any more, so choose one that none has."},
	}
}

func pagesKeys(p *Pages) []key {
	return []key{
		{name: "templates", standard: "the built-in pages", example: "/etc/gatehouse/pages", value: text(&p.Templates, "a directory"),
			meaning: "A directory with templates of your own for some or all pages, and with their style sheets and pictures. Files are read again when they change."},
	}
}

func tlsKeys(t *TLS) []key {
	if t.MinVersion == 0 {
		t.MinVersion = tls.VersionTLS12
	}
	return []key{
		{name: "certificates", required: true, example: "[{certFile: tls.crt, keyFile: tls.key}]", value: sections[Certificate]{&t.Certificates, certificateKeys},
			meaning: "The certificates; each client gets the one for the name it asks for, or else the first. Files are read again when they change."},
		{name: "minVersion", standard: `"1.2"`, example: `"1.3"`, value: tlsVersion(&t.MinVersion),
			meaning: "The lowest version of TLS that clients may use."},
	}
}

func certificateKeys(c *Certificate) []key {
	return []key{
		{name: "certFile", required: true, example: "/etc/gatehouse/tls.crt", value: text(&c.CertFile, "a file"),
			meaning: "The certificate and those between it and the root, PEM, its own first."},
		{name: "keyFile", required: true, example: "/etc/gatehouse/tls.key", value: text(&c.KeyFile, "a file"),
			meaning: "Its private key, PEM. It is refused when everybody on the machine may read it."},
		{name: "minVersion", standard: "that of tls", example: `"1.3"`, value: tlsVersion(&c.MinVersion),
			meaning: "The lowest version of TLS for the hosts of this certificate; where several certificates name a host, the strictest counts. A host with another minimum is not answered over the connections of this one (421)."},
	}
}

func proxyProtocolKeys(p *ProxyProtocol) []key {
	return []key{
		{name: "from", required: true, example: "[10.0.0.0/8]", value: networks(&p.From),
			meaning: "Networks of the load balancers that speak it. They must, and nobody else may."},
	}
}

func adminKeys(a *Admin) []key {
	return []key{
		{name: "address", restart: true, standard: "no such listener", example: "127.0.0.1:9090", value: address(&a.Address),
			meaning: "HOST:PORT of a plain listener that answers /healthz, /readyz and /metrics and nothing else. Whoever reaches it sees the names of your services."},
	}
}

func logKeys(l *Log) []key {
	return []key{
		{name: "level", standard: "info", example: "debug", value: choice(&l.Level, "a level",
			map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}),
			meaning: "The least important messages that are written."},
		{name: "format", restart: true, standard: "text", example: "json", value: choice(&l.JSON, "a format", map[string]bool{"text": false, "json": true}),
			meaning: "text (key=value) or json."},
	}
}

func networks(target *[]netip.Prefix) value {
	return scalars[netip.Prefix]{target, "a list of networks", scalar[netip.Prefix]{what: "a network", parse: parseNetwork}}
}

func paths(target *[]string) value {
	return scalars[string]{target, "a list of files and directories", text(nil, "a file or directory")}
}
