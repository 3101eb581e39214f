package reverseproxy

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it; it keeps no secret
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/exchange/framing"
	"github.com/gatehouse-iap/gatehouse/internal/exchange/tunnel"
)

// upgradeOf returns the one protocol that a header asks to go on with, or agrees to.
func upgradeOf(h http.Header) string {
	if protocols := h["Upgrade"]; len(protocols) == 1 && hasToken(h["Connection"], "upgrade") {
		return protocols[0]
	}
	return ""
}

// upgrade answers with the application's 101 and connects the client with it. When it returns an error, nothing has
// been answered yet. Over HTTP/1.1 it leaves the connection to the tunnel and returns at once: what net/http holds for
// a request is several times what an idle WebSocket needs.
func (f *Forwarder) upgrade(w http.ResponseWriter, asked *outgoing, out *http.Request, response *http.Response) error {
	app, writable := response.Body.(io.ReadWriteCloser)
	if !writable {
		_ = response.Body.Close() // the error below says more
		return errors.New("the application's 101 came over a connection that cannot be handed on")
	}
	if err := checkHandshake(asked, response.Header); err != nil {
		_ = app.Close() // the error says more
		return err
	}
	t := &tunnel.Tunnel{App: app, Extensions: len(response.Header["Sec-Websocket-Extensions"]) > 0}
	delete(response.Header, "Content-Length") // a 101 has none
	cleanAnswer(response.Header)
	header := w.Header()
	copyHeader(header, response.Header)
	f.life.watcher().sign(header)
	if f.socket != nil {
		delete(header, "Sec-Websocket-Accept") // HTTP/2 proves nothing by it
		w.WriteHeader(http.StatusOK)
		control := http.NewResponseController(w)
		waiting := patienceWith(out, control)
		t.Client = &stream{ReadCloser: f.socket, w: w, ResponseController: control, waiting: waiting}
		if _, err := t.Client.Write(nil); err == nil {
			if carry(t, f.enter(t), f.Log, out.URL.Host) != nil {
				panic(http.ErrAbortHandler)
			}
		}
		return nil
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = app.Close() // the error says more
		return fmt.Errorf("taking the client's connection over for an upgrade: %w", err)
	}
	if t.Early, err = early(buffered.Reader); err == nil {
		header["Connection"], header["Upgrade"] = connectionUpgrade, []string{"websocket"}
		switched := http.Response{StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1, Header: header}
		if err = switched.Write(buffered); err == nil {
			err = buffered.Flush()
		}
	}
	if err != nil { // the client is gone
		_, _ = client.Close(), app.Close()
		return nil
	}
	t.Client = connection{client}
	f.start(t, out.URL.Host)
	return nil
}

// early returns what a client has sent behind its request.
func early(from *bufio.Reader) ([]byte, error) {
	sent, err := from.Peek(from.Buffered())
	return append([]byte(nil), sent...), err
}

// webSocketGUID is what a server that knows WebSocket adds to the client's key (RFC 6455, section 1.3).
const webSocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const headerKey = "Sec-Websocket-Key"

// checkHandshake makes sure that the application speaks WebSocket from here on. One that does not would read what the
// client sends as requests, which nobody has decided on. Only a key that it was sent proves that, and what Connection names
// is not sent.
func checkHandshake(asked *outgoing, agreed http.Header) error {
	protocol := upgradeOf(agreed)
	keys, accepted := asked.in.Header[headerKey], agreed["Sec-Websocket-Accept"]
	switch {
	case !asked.upgrades:
		return fmt.Errorf("the application switched to the protocol %q where it was not asked to", protocol)
	case !strings.EqualFold(protocol, "websocket"):
		return fmt.Errorf("the application switched to the protocol %q where WebSocket was asked for", protocol)
	case !asked.passes(headerKey) || len(keys) != 1 || len(accepted) != 1 || accepted[0] != acceptOf(keys[0]):
		return errors.New("the application switched to WebSocket without Sec-WebSocket-Accept for the client's key")
	}
	return nil
}

func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + webSocketGUID)) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// start carries a WebSocket on goroutines of its own.
func (f *Forwarder) start(t *tunnel.Tunnel, upstream string) {
	known, log := f.enter(t), f.Log
	go func() { _ = carry(t, known, log, upstream) }() // which has logged what is wrong
}

// carry carries a WebSocket to its end.
func carry(t *tunnel.Tunnel, known *exchange.Exchange, log *slog.Logger, upstream string) error {
	if known != nil {
		defer known.Done()
	}
	err := t.Run()
	if err != nil {
		log.Warn("a WebSocket was cut off: the application does not keep to the protocol", "upstream", upstream, "error", err)
	}
	return err
}

// enter makes a WebSocket known. Nothing that it keeps refers to the request.
func (f *Forwarder) enter(t *tunnel.Tunnel) *exchange.Exchange {
	if f.life == nil {
		return nil
	}
	f.life.done() // it goes on as something else
	f.life.lasts()
	known := f.life.registry.Begin(exchange.WebSocket, &socket{t, f.life.handler.Point.Admission(&f.life.request, &f.life.verdict)})
	known.Enter(exchange.WebSocket)
	return known
}

// socket is a WebSocket as the registry of exchanges knows it.
type socket struct {
	*tunnel.Tunnel
	admission *enforcement.Admission
}

// Decision implements exchange.Carrier.
func (s *socket) Decision() exchange.Decision { return s.admission }

// End implements exchange.Carrier.
func (s *socket) End(why exchange.Ending) bool {
	code := uint16(framing.PolicyViolation)
	if why.Reason == "" {
		code = framing.GoingAway
	}
	s.Tunnel.End(code, saying(why))
	return true
}

// connection is the client's side over HTTP/1.1.
type connection struct{ net.Conn }

// CloseWrite implements tunnel.Client.
func (c connection) CloseWrite() error {
	if half, can := c.Conn.(interface{ CloseWrite() error }); can {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// stream is the client's side over HTTP/2. It ends when its handler returns.
type stream struct {
	io.ReadCloser
	*http.ResponseController
	w       http.ResponseWriter
	waiting *patience
}

func (s *stream) Write(p []byte) (int, error) {
	s.waiting.begins()
	defer s.waiting.ends()
	n, err := s.w.Write(p)
	if err == nil {
		err = s.Flush()
	}
	return n, err
}

// CloseWrite implements tunnel.Client: only the handler's end does that.
func (s *stream) CloseWrite() error { return errors.ErrUnsupported }
