package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"

	"google.golang.org/grpc/credentials"
)

// TLS configures the TLS connections of a server. Clients must have a certificate that one of
// the authorities in the file CACert has signed.
type TLS struct{ CACert, Cert, Key string } // names of PEM files

func (t TLS) given() bool { return t != TLS{} }

// Credentials returns the credentials with which a server at the given address secures its
// connections, or nil for connections without TLS. A TCP address that is not on the loopback
// interface requires TLS.
func (t TLS) Credentials(address string) (credentials.TransportCredentials, error) {
	network, host, err := splitAddress(address)
	switch {
	case err != nil:
		return nil, err
	case !t.given() && (network == "unix" || isLoopback(host)):
		return nil, nil
	case !t.given():
		return nil, fmt.Errorf("address %s: TLS is required except for loopback addresses (use --tlscacert, --tlscert and --tlskey)", address)
	case network == "unix":
		return nil, fmt.Errorf("address %s: TLS is for tcp://HOST:PORT", address)
	case t.CACert == "" || t.Cert == "" || t.Key == "":
		return nil, errors.New("TLS needs a certificate, its key, and the authorities of the clients (--tlscert, --tlskey and --tlscacert)")
	}
	own, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate of the server: %w", err)
	}
	data, err := os.ReadFile(t.CACert)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s has no certificates", t.CACert)
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, ClientCAs: authorities, ClientAuth: tls.RequireAndVerifyClientCert,
	}), nil
}

// splitAddress splits an address of the form unix://PATH or tcp://HOST:PORT.
func splitAddress(address string) (network, at string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", fmt.Errorf("address %q: %w", address, err)
	}
	switch {
	case u.Scheme == "unix" && u.Host+u.Path != "":
		return "unix", u.Host + u.Path, nil
	case u.Scheme == "tcp" && u.Port() != "" && u.Path == "":
		return "tcp", u.Host, nil
	}
	return "", "", fmt.Errorf("invalid address %q: want unix://PATH or tcp://HOST:PORT", address)
}

// isLoopback reports whether a TCP address is on the loopback interface. An address without a
// host is not on the loopback interface.
func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Listen returns a listener at an address of the form unix://PATH or tcp://HOST:PORT. Only the user
// of this process can connect to a unix socket. Listen replaces a socket that a killed server has
// left. If a server is listening at the address, it returns an error.
func Listen(address string) (net.Listener, error) {
	network, at, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		return net.Listen("tcp", at)
	}
	if conn, err := net.Dial("unix", at); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("address %s: another server is listening", address)
	}
	if info, err := os.Lstat(at); err == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("address %s: the file exists and is not a socket", address)
	}
	dir := filepath.Dir(at)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("address %s: %w (choose a socket in a directory of yours, for example in $XDG_RUNTIME_DIR)", address, err)
		}
		return nil, err
	}
	return listenPrivately(dir, at)
}

// listenPrivately returns a listener at the unix socket at, in the directory dir. It creates the
// socket in a temporary directory that other users cannot enter. Once only the user of this
// process can connect to the socket, listenPrivately moves the socket to its path.
func listenPrivately(dir, at string) (net.Listener, error) {
	private, err := os.MkdirTemp(dir, ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private) //nolint:errcheck // the directory is empty
	temp := filepath.Join(private, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(temp, 0o600), os.Rename(temp, at)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &socket{UnixListener: l, path: at}, nil
}

// socket is a listener that removes its socket when it is closed.
type socket struct {
	*net.UnixListener
	path string
}

// Close implements [net.Listener].
func (s *socket) Close() error {
	err := s.UnixListener.Close()
	if err == nil {
		err = os.Remove(s.path)
	}
	return err
}
