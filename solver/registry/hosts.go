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

// DefaultDirs returns the directories in which containerd, Docker and Podman store the
// configuration of hosts. The user's directories, below configDir and home, precede
// the system's directories.
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

// registryHosts returns the hosts that serve the images of a host: its mirrors, then
// the host itself. They have no authorizer.
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
	clear := &clearText{hosts: map[string]bool{}}
	opt := config.HostOptions{
		HostDir:      func(string) (string, error) { return dir, nil },
		UpdateClient: func(client *http.Client) error { return c.update(client, clear) },
	}
	if insecure { // HTTPS with any certificate, else HTTP
		opt.DefaultScheme, opt.DefaultTLS = "http", &tls.Config{InsecureSkipVerify: true} //nolint:gosec // asked for
	}
	var said firstError
	hosts, err := config.ConfigureHosts(quiet(ctx, &said), opt)(host)
	if said.err != nil {
		err = said.err
	}
	if err != nil {
		return nil, hostsError(dir, err)
	}
	for i := range hosts {
		h := &hosts[i]
		if _, only := h.Client.Transport.(*clearText); h.Scheme == "http" || !only {
			clear.allow(h.Host) // because of its scheme, or of containerd's fallback to HTTP
		}
	}
	c.hosts[key] = hosts
	return hosts, nil
}

// checkHostDir returns an error if the configuration directory of a host contains an
// irregular file: hosts.toml, or a certificate in the directory or referenced by
// hosts.toml. If dir is "", it returns nil.
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

// certificates holds the settings of a hosts.toml that contain file names. Each is a
// string or nested lists of strings.
type certificates struct {
	CA     any `toml:"ca"`
	Client any `toml:"client"`
}

// namedCertificates returns the files referenced by the hosts.toml of a directory. It
// ignores invalid configurations, which containerd reports.
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
	slices.Sort(names) // so that the same error is reported each time
	return names
}

// hostDir returns the configuration directory for a host, or "". A directory of the
// host takes precedence over a directory for all hosts.
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

// update completes the client for a host. It is called before the first request.
func (c *Client) update(client *http.Client, clear *clearText) error {
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return nil // a copy of a completed client
	}
	transport.ResponseHeaderTimeout = 0 // Options.Transport limits the whole request
	transport.MaxIdleConnsPerHost = parallelRequests
	var rt http.RoundTripper = manifestLimit{transport}
	if c.opt.Transport != nil {
		rt = c.opt.Transport(rt)
	}
	client.Transport = &clearText{RoundTripper: rt, hosts: clear.hosts}
	return nil
}

// parallelRequests is the number of connections to a host that are kept open.
const parallelRequests = 8

// quiet returns a context that discards containerd's log messages, because its errors
// contain all relevant information.
func quiet(ctx context.Context, hooks ...logrus.Hook) context.Context {
	l := logrus.New()
	l.SetOutput(io.Discard)
	for _, h := range hooks {
		l.AddHook(h)
	}
	return log.WithLogger(ctx, logrus.NewEntry(l))
}

// firstError records the first logged error. containerd logs an invalid hosts.toml and
// continues without it.
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

// hostsError adds the file and the position to an error.
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
