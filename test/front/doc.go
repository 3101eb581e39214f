// Package front holds the stories of the gate behind real proxies that end TLS: nginx, HAProxy and Caddy, each with
// its example from docs/examples. It has tests only.
package front
