package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"

	"slipway/internal/regularfile"
)

const (
	// dockerHub is the host of Docker Hub in image references.
	dockerHub = "docker.io"
	// dockerHubKey is the key of Docker Hub in config.json.
	dockerHubKey = "https://index.docker.io/v1/"
)

// Login holds the credentials for a registry or a repository.
type Login struct {
	User   string
	Secret string // password, or an identity token if User is ""
	Bearer string // token for the Authorization header; it replaces User and Secret
}

// Credentials returns the login for a repository (HOST/PATH) or a host (HOST or HOST:PORT).
// It returns a zero Login if the user has no credentials.
type Credentials func(name string) (Login, error)

// UserCredentials returns a function that looks up the user's credentials. The function
// searches DOCKER_AUTH_CONFIG, then Docker's config.json with its credential helpers, then
// Podman's auth.json. The files are read on the first call.
func UserCredentials() Credentials {
	load := sync.OnceValues(loadLogins)
	return func(name string) (Login, error) {
		files, err := load()
		if err != nil {
			return Login{}, err
		}
		return files.find(name)
	}
}

// logins holds the parsed credential files of Docker and Podman.
type logins struct {
	docker *configfile.ConfigFile
	podman *configfile.ConfigFile // nil if it does not exist
}

func loadLogins() (*logins, error) {
	var l logins
	var err error
	if l.docker, err = loadConfig(); err != nil {
		return nil, err
	}
	name := os.Getenv("REGISTRY_AUTH_FILE")
	if dir := os.Getenv("XDG_RUNTIME_DIR"); name == "" && dir != "" {
		name = filepath.Join(dir, "containers", "auth.json")
	}
	if name == "" {
		return &l, nil
	}
	f, err := regularfile.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &l, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if l.podman, err = config.LoadFromReader(f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &l, nil
}

// loadConfig reads Docker's config.json. If the file does not exist, the result is empty.
func loadConfig() (*configfile.ConfigFile, error) {
	if err := regularfile.Check(filepath.Join(config.Dir(), config.ConfigFileName)); err != nil {
		return nil, err
	}
	return config.Load(config.Dir())
}

// find returns the login for name, which is HOST or HOST/PATH. It searches Docker's file
// first, then Podman's. Within a file, the entry with the longest matching path takes
// precedence.
func (l *logins) find(name string) (Login, error) {
	host, _, _ := strings.Cut(name, "/")
	for at := name; at != host; at = path.Dir(at) {
		if a, ok := l.docker.AuthConfigs[at]; ok {
			return newLogin(a), nil
		}
	}
	a, err := l.docker.GetAuthConfig(configKey(host))
	if err != nil {
		return Login{}, err
	}
	if login := newLogin(a); login != (Login{}) || l.podman == nil {
		return login, nil
	}
	for at := name; ; at = path.Dir(at) {
		if a, ok := l.podman.AuthConfigs[at]; ok {
			return newLogin(a), nil
		}
		if at == host {
			return Login{}, nil
		}
	}
}

func newLogin(a types.AuthConfig) Login {
	switch {
	case a.RegistryToken != "":
		return Login{Bearer: a.RegistryToken}
	case a.IdentityToken != "":
		return Login{Secret: a.IdentityToken}
	}
	return Login{User: a.Username, Secret: a.Password}
}

// configKey returns the key under which Docker's config.json stores the login for a host.
func configKey(host string) string {
	switch host {
	case dockerHub, "index.docker.io", "registry-1.docker.io":
		return dockerHubKey
	}
	return host
}

// CheckLogin sends a request with a login to a registry, and returns an error if the
// registry rejects it.
func (c *Client) CheckLogin(ctx context.Context, host string, l Login) error {
	c.mu.Lock()
	hosts, err := c.registryHosts(ctx, host, false)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if len(hosts) == 0 {
		return fmt.Errorf("%s has no server, as its hosts.toml says", host)
	}
	only := New(Options{Credentials: func(string) (Login, error) { return l, nil }})
	h := hosts[len(hosts)-1]
	if err := only.authorize(&h, []string{host}); err != nil {
		return err
	}
	resp, err := sendRequest(withoutLogs(ctx), h, http.MethodGet, h.Scheme+"://"+h.Host+h.Path+"/")
	if err == nil {
		if resp.StatusCode >= http.StatusBadRequest {
			err = remoteerrors.NewUnexpectedStatusErr(resp)
		}
		err = errors.Join(err, resp.Body.Close())
	}
	switch {
	case isDenied(err):
		return &userError{host + " refuses the user name or the password: " + oneLine(err), err}
	case err != nil:
		return &userError{oneLine(err), err}
	}
	return nil
}

// Save stores a login for a host, as docker login does: with the credential helper for the
// host, with the default helper, or else in Docker's config.json.
func Save(host string, l Login) error {
	store, err := storeOf(host)
	if err != nil {
		return err
	}
	return store.Store(types.AuthConfig{Username: l.User, Password: l.Secret, ServerAddress: configKey(host)})
}

// Remove removes the login for a host from Docker's config.json or its credential helper.
// It is not an error if the login does not exist.
func Remove(host string) error {
	store, err := storeOf(host)
	if err != nil {
		return err
	}
	for _, key := range []string{configKey(host), "https://" + host, "http://" + host} { // old versions of Docker wrote the last two keys
		if err := store.Erase(key); err != nil {
			return err
		}
	}
	return nil
}

func storeOf(host string) (credentials.Store, error) {
	f, err := loadConfig()
	if err != nil {
		return nil, err
	}
	if !f.ContainsAuth() {
		f.CredentialsStore = credentials.DetectDefaultStore(f.CredentialsStore)
	}
	return f.GetCredentialsStore(configKey(host)), nil
}

// Host returns the host in the name of a registry, which may be a URL. For all names of
// Docker Hub, and for "", it returns docker.io.
func Host(name string) string {
	if host := credentials.ConvertToHostname(name); host != "" && configKey(host) != dockerHubKey {
		return host
	}
	return dockerHub
}
