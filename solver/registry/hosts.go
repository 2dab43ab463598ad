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

// DefaultDirs returns where containerd, Docker and Podman have directories of
// hosts: first those of the user, below the directory of configurations and
// home, then those of the machine.
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

// registryHosts returns where the images of a host are: its mirrors, then the
// host. They have no authorizer.
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
			clear.allow(h.Host) // by its scheme, or by the fallback that containerd put in front
		}
	}
	c.hosts[key] = hosts
	return hosts, nil
}

// checkHostDir reports an error if the configuration of a host, or a certificate in its
// directory or that hosts.toml names, is not a regular file. The directory "" has none.
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

// certificates are the settings of a hosts.toml that name files: texts, or lists of
// lists of them.
type certificates struct {
	CA     any `toml:"ca"`
	Client any `toml:"client"`
}

// namedCertificates returns the files that the hosts.toml of a directory names.
// containerd reports whatever else is wrong with it.
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
	slices.Sort(names) // the first one that is wrong is reported
	return names
}

// hostDir returns the directory for a host, and "" if there is none. One of its
// own wins over one for all.
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
		return nil // a copy of a client that was completed
	}
	transport.ResponseHeaderTimeout = 0 // a limit of ours holds for all of a request
	transport.MaxIdleConnsPerHost = parallelRequests
	var rt http.RoundTripper = manifestLimit{transport}
	if c.opt.Transport != nil {
		rt = c.opt.Transport(rt)
	}
	client.Transport = &clearText{RoundTripper: rt, hosts: clear.hosts}
	return nil
}

// parallelRequests is how many connections to a host are kept open.
const parallelRequests = 8

// quiet returns a context whose logger discards what containerd logs, as its
// errors hold all that matters.
func quiet(ctx context.Context, hooks ...logrus.Hook) context.Context {
	l := logrus.New()
	l.SetOutput(io.Discard)
	for _, h := range hooks {
		l.AddHook(h)
	}
	return log.WithLogger(ctx, logrus.NewEntry(l))
}

// firstError remembers the first error that is logged. containerd only logs that
// a hosts.toml is invalid, and goes on without it.
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

// hostsError says which file is wrong, and where.
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
