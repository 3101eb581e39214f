package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
)

// explain puts what to do about an error in front of it, where that is known.
func explain(err error, overTLS bool) error {
	if advice := advise(err, overTLS); advice != "" {
		return fmt.Errorf("%s: %w", advice, err)
	}
	return err
}

// notEstablished is what net/http says of a connection that ended before HTTP/2 was under way on it.
const notEstablished = "http2: client conn could not be established"

func advise(err error, overTLS bool) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		notTLS    tls.RecordHeaderError
	)
	text := err.Error()
	switch {
	case errors.As(err, &authority):
		return "nobody trusted vouches for the application's certificate; name its authority in upstreamTls.caFile"
	case errors.As(err, &name):
		return "the application's certificate is for another name; write that name in upstreamTls.serverName"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the application's certificate has expired or does not count yet; renew it, and compare both clocks"
	case errors.As(err, &notTLS):
		return "the application does not speak TLS; make the upstream http:// or h2c://"
	case strings.Contains(text, "tls: certificate required"):
		return "the application asks for a client certificate; name one in upstreamTls.certFile and keyFile"
	case strings.Contains(text, "remote error: tls:"):
		return "the application refuses our TLS; where it asks for a client certificate, see upstreamTls.certFile"
	case strings.Contains(text, "malformed HTTP response"):
		return "the application does not speak HTTP/1.1; make the upstream https:// or h2c://"
	case strings.Contains(text, "looked like an HTTP/1.1 header"), !overTLS && strings.Contains(text, notEstablished):
		return "the application does not speak HTTP/2; make the upstream http://"
	case isOurs(err):
		return "the gate itself has run out of files, memory or ports: see which application so many requests are under way at (gatehouse upstreams list), and allow the process more open files"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case overTLS && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || strings.Contains(text, notEstablished)):
		// With TLS 1.3 a certificate is refused after the handshake, and the alert may be lost with the connection.
		// The handshake has agreed on the protocol by then: that HTTP/2 is not spoken is no longer the reason.
		return "the application closed the connection; where it asks for a client certificate, see upstreamTls.certFile"
	}
	return ""
}
