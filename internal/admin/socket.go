package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// SocketName is the administration socket within the data directory.
const SocketName = "admin.sock"

// maxSocketPath is what every system's sockaddr_un takes: macOS 104 bytes, Linux 108, with the final NUL.
const maxSocketPath = 103

// SocketPath returns where the socket of a data directory is. A path that the system cannot bind is refused
// here with a way out, where bind would only say "invalid argument". There is no second place for the socket
// to be: commands must find it from the directory alone, and only the directory keeps others away from it.
func SocketPath(dataDir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dataDir, SocketName))
	if err != nil {
		return "", err
	}
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("the path of the administration socket %s has %d bytes, and the system allows %d: use a shorter data directory, or a symbolic link to it",
			path, len(path), maxSocketPath)
	}
	return path, nil
}

// Serve listens on DATA/admin.sock and answers until ctx ends. The caller holds the data directory's lock.
func (a *Admin) Serve(ctx context.Context, dataDir string) error {
	listener, err := Listen(dataDir)
	if err != nil {
		return err
	}
	return a.ServeListener(ctx, listener)
}

// Listen opens the administration socket. Whoever calls it holds the data directory's lock, so a socket that
// is there already was left by a server that died, and is replaced.
func Listen(dataDir string) (*net.UnixListener, error) {
	path, err := SocketPath(dataDir)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("administration socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is in the way of the administration socket and is not a socket: move it", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("removing the administration socket of a server that is gone: %w", err)
		}
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("administration socket: %w", err)
	}
	// Between bind and here the directory's own mode, 0700, keeps others out.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("administration socket: %w", err), listener.Close())
	}
	return listener, nil
}

// ServeListener answers on a socket that Listen opened until ctx ends, lets running calls finish, and removes
// the socket.
func (a *Admin) ServeListener(ctx context.Context, listener *net.UnixListener) error {
	// A connection's context must outlive ctx: a change that is being written when the server is told to stop
	// is finished and answered.
	base := context.WithValue(context.WithoutCancel(ctx), endingKey{}, ctx.Done())
	server := &http.Server{
		Handler:           a.Handler(),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       a.peerContext,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("administration socket: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(base, settleTimeout)
	defer cancel()
	err := server.Shutdown(grace)
	<-stopped
	if err != nil {
		return errors.Join(fmt.Errorf("administration socket: ending calls: %w", err), server.Close())
	}
	return nil
}

// peerContext notes who is at the other end of a connection. Peers that may not administer are left unnamed,
// and Handler refuses every call of theirs.
func (a *Admin) peerContext(ctx context.Context, conn net.Conn) context.Context {
	unix, isUnix := conn.(*net.UnixConn)
	if !isUnix {
		return ctx
	}
	uid, err := PeerUID(unix)
	if err != nil {
		a.Log.WarnContext(ctx, "administration socket: the peer is unknown and is refused", "error", err)
		return ctx
	}
	if !mayAdminister(uid, uint32(os.Geteuid())) {
		a.Log.WarnContext(ctx, "administration socket: a peer is refused", "uid", uid)
		return ctx
	}
	return WithActor(ctx, audit.Actor{Kind: "uid", Name: strconv.FormatUint(uint64(uid), 10)})
}

// mayAdminister: root, and who runs the server, could read its files anyway.
func mayAdminister(peer, own uint32) bool { return peer == own || peer == 0 }
