package http1

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"testing/iotest"
)

// said is a connection on which an application says something, whatever it is asked, and then closes it.
type said struct {
	net.Conn
	io.Reader
}

func (s said) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s said) Write(p []byte) (int, error) { return len(p), nil }
func (s said) Close() error                { return nil }

// readHere reads an answer as a round trip does.
func readHere(from io.Reader, method string) (*http.Response, []byte, error) {
	r := &http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: "app.test"}, Host: "app.test", Header: http.Header{}}
	x := newExchange(&Transport{}, newConn(said{Reader: from}, "app.test"), r, Whole{r})
	response, err := x.run(nil, clock())
	if err != nil {
		return nil, nil, x.fail(err)
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		return response, nil, response.Body.Close()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, body, err
}

// readThere reads it as http.Transport does.
func readThere(answer []byte, method string) (*http.Response, []byte, error) {
	in := bufio.NewReader(bytes.NewReader(answer))
	for {
		response, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return nil, nil, err
		}
		if response.StatusCode == http.StatusSwitchingProtocols {
			return response, nil, nil
		}
		if response.StatusCode >= 200 {
			body, err := io.ReadAll(response.Body)
			return response, body, err
		}
	}
}

// FuzzAnswer holds the reader of answers to its word: whatever is accepted is the same message to net/http, however
// the bytes arrive.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
		"HTTP/1.0 200 OK\nContent-Length: 1\nContent-Length: 1\n\na",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\n\r\nto the end",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		here, body, err := readHere(bytes.NewReader(answer), method)
		slowly, bodySlowly, errSlowly := readHere(iotest.OneByteReader(bytes.NewReader(answer)), method)
		if (err == nil) != (errSlowly == nil) || !bytes.Equal(body, bodySlowly) || (here == nil) != (slowly == nil) {
			t.Fatalf("at once %q, %v; byte by byte %q, %v", body, err, bodySlowly, errSlowly)
		}
		if err != nil {
			return
		}
		there, want, err := readThere(answer, method)
		if err != nil {
			t.Fatalf("accepted, and net/http says %v", err)
		}
		if _, invented := here.Header["Cache-Control"]; !invented {
			delete(there.Header, "Cache-Control") // net/http adds it to Pragma
		}
		if !bytes.Equal(body, want) || here.StatusCode != there.StatusCode || here.Status != there.Status || here.Proto != there.Proto ||
			here.ContentLength != there.ContentLength || here.Close != there.Close || !sameFields(here.Header, there.Header) ||
			!sameFields(here.Trailer, there.Trailer) || !reflect.DeepEqual(here.TransferEncoding, there.TransferEncoding) {
			t.Fatalf("\n    here: %+v %q\nnet/http: %+v %q", here, body, there, want)
		}
	})
}

func sameFields(a, b http.Header) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}
