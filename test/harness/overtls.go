package harness

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// OverTLS lets a browser find all hosts of a domain on this machine, and take certificates with the key of one.
func OverTLS(domain string, certificate *x509.Certificate) []chromedp.ExecAllocatorOption {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return []chromedp.ExecAllocatorOption{
		chromedp.Flag("host-resolver-rules", "MAP *."+domain+" 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(sum[:])),
	}
}

// Response is an answer as the browser's network saw it.
type Response struct {
	Method, URL string // WEBSOCKET, and no URL, for the handshake of one
	Status      int64
	Protocol    string  // "h2"
	Connection  float64 // tells one connection from another
}

// Network is what a page loads.
type Network struct {
	mu        sync.Mutex
	methods   map[network.RequestID]string
	responses []Response
}

// Watch keeps all answers from now on, redirects included.
func (p *Page) Watch() *Network {
	p.t.Helper()
	n := &Network{methods: map[network.RequestID]string{}}
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return err
	}))
	if err := chromedp.Listen(p.ctx, n.hear); err != nil {
		p.t.Fatal(err)
	}
	return n
}

func (n *Network) hear(event any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.RedirectResponse != nil {
			n.add(n.methods[e.RequestID], e.RedirectResponse)
		}
		n.methods[e.RequestID] = e.Request.Method
	case *network.EventResponseReceived:
		n.add(n.methods[e.RequestID], e.Response)
	case *network.EventWebSocketHandshakeResponseReceived: // 101 over HTTP/1.1, 200 over HTTP/2
		n.responses = append(n.responses, Response{Method: "WEBSOCKET", Status: e.Response.Status})
	}
}

func (n *Network) add(method string, r *network.Response) {
	n.responses = append(n.responses, Response{method, r.URL, r.Status, r.Protocol, r.ConnectionID})
}

// Responses lists what has been answered so far.
func (n *Network) Responses() []Response {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.responses)
}

// Evaluate runs a script in the page and returns what its promise comes to.
func (p *Page) Evaluate(script string) string {
	p.t.Helper()
	return run(p, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
}
