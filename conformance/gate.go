package conformance

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Gate is the way through the gate, by which SECURE_TOKEN_TEST is asked for.
type Gate struct {
	// URL is where people reach the application.
	URL string
	// Client reaches it; nil means one that knows proxies.
	Client *http.Client
	// Header carries the credential: Authorization with a bearer token, or the Cookie of a session.
	Header http.Header
}

func (g *Gate) target(c *Check) (*target, error) {
	origin, err := url.Parse(g.URL)
	if err != nil || origin.Scheme != "http" && origin.Scheme != "https" || origin.Host == "" || origin.User != nil {
		return nil, fmt.Errorf("%q is not the address of a gate, such as https://app.example.com/", g.URL)
	}
	client := g.Client
	if client == nil {
		client = NewClient(ClientConfig{Proxy: http.ProxyFromEnvironment})
	}
	return &target{origin: &url.URL{Scheme: origin.Scheme, Host: origin.Host}, client: client, method: c.Method, header: g.Header, agent: c.agent()}, nil
}

// gatePrefix begins the names of gateProbes.
const gatePrefix = "gate-"

// gateProbes are IAP's own, and work wherever IAP's URLs do.
func gateProbes() []Probe {
	var all []Probe
	for _, kind := range []struct {
		id, name, title string
		fault           Fault
	}{
		{gatePrefix + "future-issue", "FUTURE_ISSUE", "iat in the future", Times},
		{gatePrefix + "past-expiration", "PAST_EXPIRATION", "exp past", Times},
		{gatePrefix + "issuer", "ISSUER", "another issuer", Issuer},
		{gatePrefix + "audience", "AUDIENCE", "another audience", Audience},
		{gatePrefix + "signature", "SIGNATURE", "another key's signature", Signature},
	} {
		all = append(all, Probe{
			ID: kind.id, Title: "SECURE_TOKEN_TEST " + kind.name + " through the gate: " + kind.title, Fault: kind.fault, Needs: []Need{NeedGate},
			attempts: func(context.Context, *kit) ([]attempt, error) {
				return []attempt{secureTokenTest(kind.name, "")}, nil
			},
		})
	}
	return all
}
