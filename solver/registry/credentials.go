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
	// dockerHub is the host of Docker Hub in references.
	dockerHub = "docker.io"
	// dockerHubKey is the key of Docker Hub in config.json.
	dockerHubKey = "https://index.docker.io/v1/"
)

// Login holds the credentials of a user for a registry.
type Login struct {
	User   string
	Secret string // password; an identity token if User is ""
	Bearer string // token sent as it is
}

// Credentials returns the login for a repository (HOST/PATH) or a host. The zero Login
// means that there are no credentials.
type Credentials func(name string) (Login, error)

// UserCredentials returns the user's credentials. It searches DOCKER_AUTH_CONFIG, then
// Docker's config.json with its credential helpers, then Podman's auth.json.
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

// logins holds the credential files.
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

// loadConfig reads Docker's config.json.
func loadConfig() (*configfile.ConfigFile, error) {
	if err := regularfile.Check(filepath.Join(config.Dir(), config.ConfigFileName)); err != nil {
		return nil, err
	}
	return config.Load(config.Dir())
}

// find returns the login for the longest matching path.
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

// configKey returns the key of a host in Docker's config.json.
func configKey(host string) string {
	switch host {
	case dockerHub, "index.docker.io", "registry-1.docker.io":
		return dockerHubKey
	}
	return host
}

// CheckLogin returns an error if the registry rejects a login.
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
	resp, err := ask(quiet(ctx), h, http.MethodGet, h.Scheme+"://"+h.Host+h.Path+"/")
	if err == nil {
		if resp.StatusCode >= http.StatusBadRequest {
			err = remoteerrors.NewUnexpectedStatusErr(resp)
		}
		err = errors.Join(err, resp.Body.Close())
	}
	switch {
	case isDenied(err):
		return &explained{host + " refuses the user name or the password: " + plain(err), err}
	case err != nil:
		return &explained{plain(err), err}
	}
	return nil
}

// Save stores a login like docker login: in the credential helper for the host, in the
// default one, or in config.json.
func Save(host string, l Login) error {
	store, err := storeOf(host)
	if err != nil {
		return err
	}
	return store.Store(types.AuthConfig{Username: l.User, Password: l.Secret, ServerAddress: configKey(host)})
}

// Remove removes the login for a host from Docker's configuration.
func Remove(host string) error {
	store, err := storeOf(host)
	if err != nil {
		return err
	}
	for _, key := range []string{configKey(host), "https://" + host, "http://" + host} { // the last two are old keys
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

// Host returns the host of a registry whose name is a host or a URL. If name is "", it
// returns the host of Docker Hub.
func Host(name string) string {
	if host := credentials.ConvertToHostname(name); host != "" && configKey(host) != dockerHubKey {
		return host
	}
	return dockerHub
}
