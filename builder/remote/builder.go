package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	// The scheme docker-container.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
)

// connectTimeout is the maximum time until a daemon answers the first request.
const connectTimeout = 20 * time.Second

// Builder holds the address of a BuildKit daemon that builds instead of this process, and
// the TLS files for the connection.
type Builder struct {
	// Address is unix://PATH, tcp://HOST:PORT or docker-container://NAME. An address with
	// docker-container may end in ?context=NAME, which selects a Docker context.
	Address string

	// Names of PEM files for TLS, which only tcp:// uses.
	CACert, Cert, Key string
	ServerName        string // name in the daemon's certificate; "" means the host in Address
}

// Check returns an error if the address of the daemon is invalid, or if TLS is
// configured for an address without TLS.
func (b *Builder) Check() error {
	u, err := url.Parse(b.Address)
	if err != nil {
		return fmt.Errorf("builder %s: %w", b.Address, err)
	}
	const schemes = "unix://PATH, tcp://HOST:PORT or docker-container://NAME"
	switch u.Scheme {
	case "unix":
		if u.Host+u.Path == "" {
			return fmt.Errorf("builder %s has no path (use unix://PATH)", b.Address)
		}
	case "tcp":
		if u.Port() == "" {
			return fmt.Errorf("builder %s has no port (use tcp://HOST:PORT)", b.Address)
		}
	case "docker-container":
		if u.Host == "" {
			return fmt.Errorf("builder %s has no name (use docker-container://NAME)", b.Address)
		}
	case "":
		return fmt.Errorf("invalid builder address %q: want %s (buildx usually runs its builder %[1]s as docker-container://buildx_buildkit_%[1]s0)", b.Address, schemes)
	default:
		return fmt.Errorf("builder %s: unknown scheme %s (use %s)", b.Address, u.Scheme, schemes)
	}
	if u.Scheme != "tcp" && (b.tls() || b.ServerName != "") {
		return fmt.Errorf("builder %s: TLS is for tcp://HOST:PORT", b.Address)
	}
	if (b.Cert == "") != (b.Key == "") {
		return errors.New("a certificate of the client needs its key, and the key its certificate")
	}
	for _, name := range []string{b.CACert, b.Cert, b.Key} {
		// BuildKit's client reads whole files, and reports a missing file.
		if info, err := os.Stat(name); err == nil && (info.Mode()&fs.ModeDevice != 0 || info.Size() > maxPEM) {
			return fmt.Errorf("builder %s: %q is neither a certificate nor a key", b.Address, name)
		}
	}
	return nil
}

// maxPEM is the maximum size in bytes of a file with certificates or a key.
const maxPEM = 16 << 20

func (b *Builder) tls() bool { return b.CACert != "" || b.Cert != "" || b.Key != "" }

// dial connects to the daemon and waits until it answers a request.
func (b *Builder) dial(ctx context.Context) (*client.Client, error) {
	var opts []client.ClientOpt
	if b.tls() {
		u, err := url.Parse(b.Address)
		if err != nil {
			return nil, err
		}
		name := b.ServerName
		if name == "" {
			name = u.Hostname()
		}
		opts = append(opts, client.WithServerConfigSystem(name))
		if b.CACert != "" {
			opts = append(opts, client.WithServerConfig(name, b.CACert))
		}
		if b.Cert != "" {
			opts = append(opts, client.WithCredentials(b.Cert, b.Key))
		}
	}
	c, err := client.New(ctx, b.Address, opts...)
	if err != nil {
		return nil, fmt.Errorf("builder %s: %w", b.Address, err)
	}
	timeout, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if _, err := c.ListWorkers(timeout); err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("builder %s does not answer: %s", b.Address, reason(err))
	}
	return c, nil
}

// reason returns the text of a connection error without the prefixes that gRPC adds.
func reason(err error) string {
	text := err.Error()
	for _, around := range []string{"connection error: desc = ", "transport: ", "Error while dialing: ", "error reading server preface: "} {
		if _, after, ok := strings.Cut(text, around); ok {
			text = after
		}
		if plain, err := strconv.Unquote(text); err == nil {
			text = plain
		}
	}
	return strings.TrimSpace(text)
}

// sharedKey returns the key under which BuildKit stores the files of a build context. The key
// is the same for all builds of a directory on this host, so that BuildKit fetches only files
// that changed since the previous build.
func sharedKey(host, dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return "slipway:" + host + ":" + dir
}
