// Package registry talks to image registries as containerd and BuildKit do: with
// the hosts.toml files, certificates and credentials that the user has for them.
//
// Errors are one line. They name the host and what to do if access is denied,
// and hold no secrets of URLs.
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
	// Credentials finds users and passwords. If it is nil, there are none.
	Credentials Credentials
	// Dirs are searched in order for a directory of a host, as containerd's
	// config_path and Docker's certs.d: HOST/hosts.toml, or HOST/*.crt.
	Dirs []string
	// Transport wraps the transport to each host. If it is nil, none is wrapped.
	Transport func(http.RoundTripper) http.RoundTripper
	// Waits are how long to wait before a failed request is repeated. There are
	// as many repetitions as waits.
	Waits []time.Duration
}

// Client talks to registries. Safe for concurrent use.
type Client struct {
	opt Options

	mu    sync.Mutex
	hosts map[hostKey][]docker.RegistryHost
	repos map[hostKey][]docker.RegistryHost
}

// hostKey names a host or a repository, and how it is talked to.
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

// Repository is a repository of a registry, with the tag or the digest of a
// reference. Safe for concurrent use.
type Repository struct {
	client   *Client
	spec     refspec.Spec
	hosts    []docker.RegistryHost
	resolver remotes.Resolver
}

// Repository returns the repository that a reference names. A reference without
// a tag has the tag latest. An insecure host need not prove who it is, and may
// talk HTTP.
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
	// What a resolver remembers of uploads does not tell tags apart.
	r.resolver = docker.NewResolver(docker.ResolverOptions{
		Headers: userAgent(),
		Hosts:   func(string) ([]docker.RegistryHost, error) { return slices.Clone(r.hosts), nil },
	})
	return r, nil
}

// userAgent returns the User-Agent header of this program.
func userAgent() http.Header { return http.Header{"User-Agent": {"slipway"}} }

// repositoryHosts returns the hosts that serve a repository. Each repository has
// its own authorizers, as credentials may be for one repository only.
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
		if i == len(hosts)-1 { // the registry itself, wherever it is
			names = []string{spec.Locator, hosts[i].Host}
		}
		if err := c.authorize(&hosts[i], names); err != nil {
			return nil, err
		}
	}
	c.repos[key] = hosts
	return hosts, nil
}

// authorize sets the authorizer of a host. It uses the credentials for the first
// of the names that has some.
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

// Digest returns the digest of the reference; "" if it has none.
func (r *Repository) Digest() digest.Digest { return r.spec.Digest() }

// Name returns the name of the repository with its host.
func (r *Repository) Name() string { return r.spec.Locator }
