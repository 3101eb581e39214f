package longlived

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	calls "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// callApp is an application that speaks gRPC.
type callApp struct {
	calls.UnimplementedTestServiceServer
	address   string
	cancelled chan struct{} // a call was cancelled by its client
	open      atomic.Int32
}

func serveCalls(t *testing.T, options ...grpc.ServerOption) *callApp {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &callApp{address: l.Addr().String(), cancelled: make(chan struct{}, 10)}
	server := grpc.NewServer(options...)
	calls.RegisterTestServiceServer(server, a)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return a
}

// UnaryCall says who asks, and how large the request was. A message with "refuse" in it is refused.
func (a *callApp) UnaryCall(ctx context.Context, r *calls.SimpleRequest) (*calls.SimpleResponse, error) {
	if string(r.GetPayload().GetBody()) == "refuse" {
		return nil, status.Error(codes.FailedPrecondition, "not today: 50 % off") // there is no message: trailers only
	}
	until, _ := ctx.Deadline()
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-first", "header", "x-left", time.Until(until).String()))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-last", "trailer", "x-bytes-bin", "\x00\xff"))
	in, _ := metadata.FromIncomingContext(ctx)
	return &calls.SimpleResponse{
		Username: strings.Join(in["x-goog-authenticated-user-email"], ","), OauthScope: strings.Join(in["authorization"], ","), Payload: r.GetPayload(),
	}, nil
}

func (a *callApp) StreamingInputCall(s grpc.ClientStreamingServer[calls.StreamingInputCallRequest, calls.StreamingInputCallResponse]) error {
	total := 0
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&calls.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)})
		}
		if err != nil {
			return err
		}
		total += len(r.GetPayload().GetBody())
	}
}

// StreamingOutputCall sends messages of the sizes that are asked for, and then none for as long as it may.
func (a *callApp) StreamingOutputCall(r *calls.StreamingOutputCallRequest, s grpc.ServerStreamingServer[calls.StreamingOutputCallResponse]) error {
	a.open.Add(1)
	defer a.open.Add(-1)
	for _, p := range r.GetResponseParameters() {
		if err := s.Send(&calls.StreamingOutputCallResponse{Payload: &calls.Payload{Body: make([]byte, p.GetSize())}}); err != nil {
			return err
		}
	}
	if r.GetResponseStatus() != nil {
		return status.Error(codes.Code(r.GetResponseStatus().GetCode()), r.GetResponseStatus().GetMessage())
	}
	<-s.Context().Done()
	a.cancelled <- struct{}{}
	return s.Context().Err()
}

func (a *callApp) FullDuplexCall(s grpc.BidiStreamingServer[calls.StreamingOutputCallRequest, calls.StreamingOutputCallResponse]) error {
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if string(r.GetPayload().GetBody()) == "enough" { // the client has more to say, and is not heard
			return status.Error(codes.Aborted, "enough")
		}
		if err := s.Send(&calls.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

// bearer is a token that goes with every call.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}
func (bearer) RequireTransportSecurity() bool { return false }

// dialCalls returns a client of the application behind a gate.
func dialCalls(t *testing.T, gate *harness.Gate) calls.TestServiceClient {
	t.Helper()
	at, err := url.Parse(gate.App)
	if err != nil {
		t.Fatal(err)
	}
	credential := insecure.NewCredentials()
	if at.Scheme == "https" {
		credential = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}) // the run's own authority
	}
	conn, err := grpc.NewClient("passthrough:///127.0.0.1:"+at.Port(), grpc.WithAuthority(at.Host), grpc.WithTransportCredentials(credential),
		grpc.WithPerRPCCredentials(bearer(gate.IdentityToken(t, harness.Alice))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return calls.NewTestServiceClient(conn)
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	t.Cleanup(cancel)
	return ctx
}

func TestCallsOfGRPCPass(t *testing.T) {
	t.Parallel()
	plain := serveCalls(t)
	certFile, secure := serveCallsOverTLS(t)
	for name, w := range map[string]struct {
		app  *callApp
		gate *harness.Gate
	}{
		"h2c to h2c":    {plain, harness.Start(t, "--upstream", "h2c://"+plain.address)},
		"h2c to h2":     {secure, harness.StartIn(t, []string{"SSL_CERT_FILE=" + certFile}, "--upstream", "https://"+secure.address)},
		"TLS h2 to h2c": {plain, harness.Start(t, "--tls=127.0.0.1:0", "--upstream", "h2c://"+plain.address)},
	} {
		client := dialCalls(t, w.gate)
		for what, try := range map[string]func(*testing.T, *callApp, calls.TestServiceClient){
			"one request, one answer":                    unary,
			"a refusal without a message":                refused,
			"many requests, larger than any window":      upload,
			"many answers, larger than any window":       download,
			"a conversation":                             conversation,
			"an answer that ends before the client does": endsEarly,
			"a call that its client cancels":             cancelled,
			"a deadline":                                 deadlinePasses,
			"a method that there is not":                 unknown,
		} {
			t.Run(name+": "+what, func(t *testing.T) {
				t.Parallel()
				try(t, w.app, client)
			})
		}
	}
}

func unary(t *testing.T, _ *callApp, client calls.TestServiceClient) {
	var header, trailer metadata.MD
	body := bytes.Repeat([]byte("x"), 300_000)
	answer, err := client.UnaryCall(deadline(t), &calls.SimpleRequest{Payload: &calls.Payload{Body: body}}, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetUsername() != "accounts.google.com:"+harness.Alice || answer.GetOauthScope() != "" || !bytes.Equal(answer.GetPayload().GetBody(), body) {
		t.Errorf("the application was asked by %q with %q, %d bytes", answer.GetUsername(), answer.GetOauthScope(), len(answer.GetPayload().GetBody()))
	}
	if got := strings.Join(header["x-first"], ",") + strings.Join(trailer["x-last"], ",") + strings.Join(trailer["x-bytes-bin"], ","); got != "headertrailer\x00\xff" {
		t.Errorf("header %v, trailer %v", header, trailer)
	}
}

func mustFail(t *testing.T, err error, code codes.Code, message string) {
	t.Helper()
	if s, _ := status.FromError(err); s.Code() != code || !strings.Contains(s.Message(), message) {
		t.Errorf("got %v, want %s with %q", err, code, message)
	}
}

func refused(t *testing.T, _ *callApp, client calls.TestServiceClient) {
	_, err := client.UnaryCall(deadline(t), &calls.SimpleRequest{Payload: &calls.Payload{Body: []byte("refuse")}})
	mustFail(t, err, codes.FailedPrecondition, "not today: 50 % off")
}

func upload(t *testing.T, _ *callApp, client calls.TestServiceClient) {
	stream, err := client.StreamingInputCall(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 32 {
		if err := stream.Send(&calls.StreamingInputCallRequest{Payload: &calls.Payload{Body: make([]byte, 256<<10)}}); err != nil {
			t.Fatal(err)
		}
	}
	if answer, err := stream.CloseAndRecv(); err != nil || answer.GetAggregatedPayloadSize() != 8<<20 {
		t.Errorf("%v, %v", answer, err)
	}
}

func download(t *testing.T, _ *callApp, client calls.TestServiceClient) {
	request := &calls.StreamingOutputCallRequest{ResponseStatus: &calls.EchoStatus{Code: int32(codes.OutOfRange), Message: "that is all"}}
	for range 32 {
		request.ResponseParameters = append(request.ResponseParameters, &calls.ResponseParameters{Size: 256 << 10})
	}
	stream, err := client.StreamingOutputCall(deadline(t), request)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for {
		answer, err := stream.Recv()
		if err != nil {
			mustFail(t, err, codes.OutOfRange, "that is all")
			break
		}
		total += len(answer.GetPayload().GetBody())
	}
	if total != 8<<20 {
		t.Errorf("%d bytes came", total)
	}
}

func conversation(t *testing.T, _ *callApp, client calls.TestServiceClient) {
	stream, err := client.FullDuplexCall(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 31415, 1 << 20, 0, 8} {
		if err := stream.Send(&calls.StreamingOutputCallRequest{Payload: &calls.Payload{Body: make([]byte, size)}}); err != nil {
			t.Fatal(err)
		}
		if answer, err := stream.Recv(); err != nil || len(answer.GetPayload().GetBody()) != size {
			t.Fatalf("%d bytes: %v, %v", size, len(answer.GetPayload().GetBody()), err)
		}
	}
	_ = stream.CloseSend()
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end is %v", err)
	}
}

func endsEarly(t *testing.T, _ *callApp, client calls.TestServiceClient) {
	stream, err := client.FullDuplexCall(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_ = stream.Send(&calls.StreamingOutputCallRequest{Payload: &calls.Payload{Body: []byte("enough")}})
	_, err = stream.Recv()
	mustFail(t, err, codes.Aborted, "enough")
	if took := time.Since(start); took > 900*time.Millisecond {
		t.Errorf("it came after %s", took)
	}
}

func cancelled(t *testing.T, app *callApp, client calls.TestServiceClient) {
	ctx, cancel := context.WithCancel(deadline(t))
	stream, err := client.StreamingOutputCall(ctx, &calls.StreamingOutputCallRequest{ResponseParameters: []*calls.ResponseParameters{{Size: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-app.cancelled:
	case <-time.After(harness.Patience):
		t.Error("the application does not hear that the client has gone")
	}
}

// A deadline is the application's to keep: it is told when its client gives up.
func deadlinePasses(t *testing.T, _ *callApp, client calls.TestServiceClient) {
	var header metadata.MD
	if _, err := client.UnaryCall(deadline(t), &calls.SimpleRequest{}, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	left, err := time.ParseDuration(strings.Join(header["x-left"], ""))
	if err != nil || left <= 0 || left > harness.Patience {
		t.Errorf("the application has %v left, %v", header["x-left"], err)
	}
}

func unknown(t *testing.T, _ *callApp, client calls.TestServiceClient) {
	_, err := client.UnimplementedCall(deadline(t), &calls.Empty{})
	mustFail(t, err, codes.Unimplemented, "")
}

// What its client is told when the gate ends a call, in the words of gRPC.
func TestCallsOfGRPCEndWithAStatus(t *testing.T) {
	t.Parallel()
	app := serveCalls(t)
	gate := harness.Start(t, "--upstream", "h2c://"+app.address)
	client := dialCalls(t, gate)
	stream, err := client.StreamingOutputCall(deadline(t), &calls.StreamingOutputCallRequest{ResponseParameters: []*calls.ResponseParameters{{Size: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	gate.CLI(t, "users", "disable", harness.Alice)
	changed := time.Now()
	_, err = stream.Recv()
	mustFail(t, err, codes.Unauthenticated, "principal_suspended: This account is suspended")
	if took := time.Since(changed); took > time.Second {
		t.Errorf("it ended after %s", took)
	}
	_, err = client.UnaryCall(deadline(t), &calls.SimpleRequest{})
	mustFail(t, err, codes.PermissionDenied, "")
}
