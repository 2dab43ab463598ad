// Package registry is a client for image registries. Like containerd and BuildKit, it
// uses the user's hosts.toml files, certificates and credentials.
//
// Errors are one line. They include the host, advice if access is denied, and no
// secrets of URLs.
package registry

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	refspec "github.com/containerd/containerd/v2/pkg/reference"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Options configures a [Client].
type Options struct {
	// Credentials finds users and passwords. If it is nil, no credentials are used.
	Credentials Credentials
	// Dirs are searched in order for a directory of a host, like containerd's
	// config_path and Docker's certs.d: HOST/hosts.toml, or HOST/*.crt.
	Dirs []string
	// Transport wraps the transport to each host. If it is nil, transports are not
	// wrapped.
	Transport func(http.RoundTripper) http.RoundTripper
	// Waits are the delays before each repetition of a failed request. Their number is
	// the number of repetitions.
	Waits []time.Duration
}

// Client talks to registries. Safe for concurrent use.
type Client struct {
	opt Options

	mu    sync.Mutex
	hosts map[hostKey][]docker.RegistryHost
	repos map[hostKey][]docker.RegistryHost
}

// hostKey identifies a host or a repository, and the connection mode.
type hostKey struct {
	name     string
	insecure bool
}

// New returns a client.
func New(o Options) *Client {
	if o.Credentials == nil {
		o.Credentials = func(string) (Login, error) { return Login{}, nil }
	}
	return &Client{opt: o, hosts: map[hostKey][]docker.RegistryHost{}, repos: map[hostKey][]docker.RegistryHost{}}
}

// Repository is a repository of a registry, with the tag or digest of a reference. Safe
// for concurrent use.
type Repository struct {
	client   *Client
	spec     refspec.Spec
	hosts    []docker.RegistryHost
	resolver remotes.Resolver
}

// Repository returns the repository of a reference. The default tag is latest. If
// insecure is set, certificates are not verified and HTTP is allowed.
func (c *Client) Repository(ctx context.Context, ref string, insecure bool) (*Repository, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, fmt.Errorf("invalid image name %q: %w", ref, err)
	}
	r := &Repository{client: c}
	if r.spec, err = refspec.Parse(reference.TagNameOnly(named).String()); err != nil {
		return nil, fmt.Errorf("invalid image name %q: %w", ref, err)
	}
	if r.hosts, err = c.repositoryHosts(ctx, r.spec, insecure); err != nil {
		return nil, err
	}
	// One resolver per repository: its record of uploads does not distinguish tags.
	r.resolver = docker.NewResolver(docker.ResolverOptions{
		Headers: userAgent(),
		Hosts:   func(string) ([]docker.RegistryHost, error) { return slices.Clone(r.hosts), nil },
	})
	return r, nil
}

// userAgent returns the User-Agent header of this program.
func userAgent() http.Header { return http.Header{"User-Agent": {"slipway"}} }

// repositoryHosts returns the hosts that serve a repository. Each repository has its
// own authorizers, because credentials may apply to one repository only.
func (c *Client) repositoryHosts(ctx context.Context, spec refspec.Spec, insecure bool) ([]docker.RegistryHost, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := hostKey{spec.Locator, insecure}
	if hosts, ok := c.repos[key]; ok {
		return hosts, nil
	}
	shared, err := c.registryHosts(ctx, spec.Hostname(), insecure)
	if err != nil {
		return nil, err
	}
	hosts := slices.Clone(shared)
	for i := range hosts {
		names := []string{hosts[i].Host}
		if i == len(hosts)-1 { // the registry itself, even if hosts.toml gives it another address
			names = []string{spec.Locator, hosts[i].Host}
		}
		if err := c.authorize(&hosts[i], names); err != nil {
			return nil, err
		}
	}
	c.repos[key] = hosts
	return hosts, nil
}

// authorize sets the authorizer of a host. It uses the credentials of the first name
// that has some.
func (c *Client) authorize(h *docker.RegistryHost, names []string) error {
	var login Login
	for _, name := range names {
		var err error
		if login, err = c.opt.Credentials(name); err != nil {
			return fmt.Errorf("credentials for %s: %w", name, err)
		}
		if login != (Login{}) {
			break
		}
	}
	header := userAgent()
	for k, v := range h.Header {
		header[k] = append(header[k], v...)
	}
	if login.Bearer != "" {
		header.Set("Authorization", "Bearer "+login.Bearer)
		h.Header = header
		return nil
	}
	tokens := *h.Client
	tokens.Transport = limited{tokens.Transport, maxToken}
	h.Authorizer = docker.NewDockerAuthorizer(
		docker.WithAuthClient(&tokens), docker.WithAuthHeader(header),
		docker.WithAuthCreds(func(host string) (string, string, error) {
			if host == h.Host {
				return login.User, login.Secret, nil
			}
			l, err := c.opt.Credentials(host) // of a redirect
			return l.User, l.Secret, err
		}))
	return nil
}

// path returns the name of the repository within its registry.
func (r *Repository) path() string { return strings.TrimPrefix(r.spec.Locator, r.spec.Hostname()+"/") }

// Digest returns the digest of the reference, or "".
func (r *Repository) Digest() digest.Digest { return r.spec.Digest() }

// Name returns the name of the repository, including its host.
func (r *Repository) Name() string { return r.spec.Locator }
