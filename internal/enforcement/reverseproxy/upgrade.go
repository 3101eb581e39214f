package reverseproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// upgradeOf returns the one protocol that a header asks to go on with, or agrees to.
func upgradeOf(h http.Header) string {
	if protocols := h["Upgrade"]; len(protocols) == 1 && hasToken(h["Connection"], "upgrade") {
		return protocols[0]
	}
	return ""
}

// upgrade answers with the application's 101 and connects its connection with the client's until one of them ends.
// When it returns an error, nothing has been answered yet.
func upgrade(w http.ResponseWriter, out *http.Request, response *http.Response) error {
	app, writable := response.Body.(io.ReadWriteCloser)
	if !writable {
		_ = response.Body.Close() // the error below says more
		return errors.New("the application's 101 came over a connection that cannot be handed on")
	}
	defer app.Close()
	asked, agreed := upgradeOf(out.Header), upgradeOf(response.Header)
	if asked == "" || !strings.EqualFold(asked, agreed) {
		return fmt.Errorf("the application switched to the protocol %q where %q was asked for", agreed, asked)
	}
	cleanAnswer(response.Header)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("taking the client's connection over for an upgrade: %w", err)
	}
	defer client.Close()
	// The client's going is seen by whoever reads from it. A shutdown is seen here only.
	stop := context.AfterFunc(out.Context(), func() { _ = app.Close() }) // the copies end with it
	defer stop()
	header := w.Header()
	copyHeader(header, response.Header)
	switched := http.Response{StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1, Header: header}
	if switched.Write(buffered) != nil || buffered.Flush() != nil {
		return nil // the client is gone
	}
	tunnel(buffered, client, app)
	return nil
}

// tunnel copies in both directions until both have ended or one has failed. from is how the client is read: part of
// what it sent may have been read already.
func tunnel(from io.Reader, client io.Writer, app io.ReadWriter) {
	ended := make(chan error, 2)
	go func() { ended <- pour(app, from) }()
	go func() { ended <- pour(client, app) }()
	if err := <-ended; err == nil {
		<-ended
	}
}

// pour copies, and hands the end on where the other side can be told.
func pour(to io.Writer, from io.Reader) error {
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	if half, can := to.(interface{ CloseWrite() error }); can {
		return half.CloseWrite()
	}
	return io.EOF
}
