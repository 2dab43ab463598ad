package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/pelletier/go-toml/v2"
	"github.com/sirupsen/logrus"

	"slipway/internal/regularfile"
)

// DefaultDirs returns the directories in which containerd, Docker and Podman look for the
// configuration of registry hosts. The directories of the user come before the
// directories of the system, which are below /etc. The parameter configDir is the user's
// configuration directory, such as ~/.config, and home is the home directory. Both may be
// "".
func DefaultDirs(configDir, home string) []string {
	var dirs []string
	for _, root := range []string{configDir, "/etc"} {
		for _, program := range []string{"containerd", "docker", "containers"} {
			if root != "" {
				dirs = append(dirs, filepath.Join(root, program, "certs.d"))
			}
		}
		if root == configDir && home != "" {
			dirs = append(dirs, filepath.Join(home, ".docker", "certs.d"))
		}
	}
	return dirs
}

// registryHosts returns the hosts that serve the images of a registry: its mirrors, then
// the registry itself. The hosts have no authorizers yet. The caller must hold the
// client's mutex mu.
func (c *Client) registryHosts(ctx context.Context, host string, insecure bool) ([]docker.RegistryHost, error) {
	key := hostKey{host, insecure}
	if hosts, ok := c.hosts[key]; ok {
		return hosts, nil
	}
	dir, err := c.hostDir(host)
	if err == nil {
		err = checkHostDir(dir)
	}
	if err != nil {
		return nil, err
	}
	clear := &clearTextGuard{hosts: map[string]bool{}}
	opt := config.HostOptions{
		HostDir:      func(string) (string, error) { return dir, nil },
		UpdateClient: func(client *http.Client) error { return c.completeClient(client, clear) },
	}
	if insecure { // tries HTTPS with any certificate, then HTTP
		opt.DefaultScheme, opt.DefaultTLS = "http", &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the user requested it
	}
	var logged firstError
	hosts, err := config.ConfigureHosts(withoutLogs(ctx, &logged), opt)(host)
	if logged.err != nil {
		err = logged.err
	}
	if err != nil {
		return nil, hostsError(dir, err)
	}
	for i := range hosts {
		h := &hosts[i]
		if _, only := h.Client.Transport.(*clearTextGuard); h.Scheme == "http" || !only {
			clear.allow(h.Host) // the host has scheme http, or containerd may fall back to HTTP
		}
	}
	c.hosts[key] = hosts
	return hosts, nil
}

// checkHostDir checks the configuration directory of a host. It returns an error if
// hosts.toml or a certificate is not a regular file, because reading a FIFO would block.
// If dir is "", it returns nil.
func checkHostDir(dir string) error {
	if dir == "" {
		return nil
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		switch ext := filepath.Ext(e.Name()); {
		case e.Name() == "hosts.toml", ext == ".crt", ext == ".cert", ext == ".key":
			if err := regularfile.Check(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for _, name := range namedCertificates(dir) {
		if err := regularfile.Check(name); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, "hosts.toml"), err)
		}
	}
	return nil
}

// certificates holds the settings in hosts.toml that name certificate files. Each value is a
// string, a list of strings, or a list of lists of strings.
type certificates struct {
	CA     any `toml:"ca"`
	Client any `toml:"client"`
}

// namedCertificates returns the paths of the certificate files that a hosts.toml file lists.
// The parameter dir is the directory that contains hosts.toml. If hosts.toml is missing or
// invalid, it returns nil, because containerd reports an invalid file later.
func namedCertificates(dir string) []string {
	data, err := os.ReadFile(filepath.Join(dir, "hosts.toml"))
	if err != nil {
		return nil
	}
	var file struct {
		certificates
		Host map[string]certificates `toml:"host"`
	}
	if toml.Unmarshal(data, &file) != nil {
		return nil
	}
	var names []string
	var add func(value any)
	add = func(value any) {
		switch value := value.(type) {
		case string:
			if !filepath.IsAbs(value) {
				value = filepath.Join(dir, value)
			}
			names = append(names, value)
		case []any:
			for _, v := range value {
				add(v)
			}
		}
	}
	for _, c := range append(slices.Collect(maps.Values(file.Host)), file.certificates) {
		add(c.CA)
		add(c.Client)
	}
	slices.Sort(names) // map order must not decide which error is reported
	return names
}

// hostDir returns the configuration directory for a host, or "" if the host has none. A
// directory named after the host takes precedence over a _default directory.
func (c *Client) hostDir(host string) (string, error) {
	general := ""
	for _, root := range c.opt.Dirs {
		dir, err := config.HostDirFromRoot(root)(host)
		switch {
		case errdefs.IsNotFound(err), errors.Is(err, fs.ErrPermission), errors.Is(err, errNotDir):
			continue
		case err != nil:
			return "", err
		case filepath.Base(dir) != "_default":
			return dir, nil
		case general == "":
			general = dir
		}
	}
	return general, nil
}

// completeClient adds the limits and checks of this package to containerd's HTTP client
// for a host. The parameter guard contains the hosts that may get credentials over HTTP.
func (c *Client) completeClient(client *http.Client, guard *clearTextGuard) error {
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return nil // the client is a copy of a completed one
	}
	transport.ResponseHeaderTimeout = 0 // Options.Transport may limit the whole request
	transport.MaxIdleConnsPerHost = parallelRequests
	c.opened.Lock()
	c.transports = append(c.transports, transport)
	c.opened.Unlock()
	var rt http.RoundTripper = manifestLimit{transport}
	if c.opt.Transport != nil {
		rt = c.opt.Transport(rt)
	}
	client.Transport = &clearTextGuard{RoundTripper: rt, hosts: guard.hosts}
	return nil
}

// parallelRequests is the maximum number of idle connections per host that the client
// keeps open for later requests.
const parallelRequests = 8

// withoutLogs returns a context that discards containerd's log messages, because the errors
// of containerd contain all relevant information. The parameter hooks contains the log hooks
// that still receive the messages.
func withoutLogs(ctx context.Context, hooks ...logrus.Hook) context.Context {
	l := logrus.New()
	l.SetOutput(io.Discard)
	for _, h := range hooks {
		l.AddHook(h)
	}
	return log.WithLogger(ctx, logrus.NewEntry(l))
}

// firstError is a log hook that records the first error. containerd only logs an invalid
// hosts.toml and continues without the file, but this package returns the error.
type firstError struct{ err error }

// Levels implements [logrus.Hook].
func (e *firstError) Levels() []logrus.Level { return []logrus.Level{logrus.ErrorLevel} }

// Fire implements [logrus.Hook].
func (e *firstError) Fire(entry *logrus.Entry) error {
	if err, ok := entry.Data[logrus.ErrorKey].(error); ok && e.err == nil {
		e.err = err
	}
	return nil
}

// hostsError adds the path of hosts.toml, and the position in it, to an error in a host's
// configuration. If dir has no hosts.toml, it adds the path of dir.
func hostsError(dir string, err error) error {
	file := filepath.Join(dir, "hosts.toml")
	if _, statErr := os.Stat(file); statErr != nil {
		return fmt.Errorf("registry configuration %s: %w", dir, err)
	}
	var at interface{ Position() (line, column int) }
	if errors.As(err, &at) {
		line, column := at.Position()
		return fmt.Errorf("%s:%d:%d: %s", file, line, column, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", file, err)
}
