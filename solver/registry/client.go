// Package registry is a client for image registries. Like containerd and BuildKit, it
// uses the user's hosts.toml files, certificates and credentials.
//
// Each error is one line with the host, and with advice if access is denied. Errors never
// contain URL queries, in which registries put secrets.
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
	// Credentials returns the user and password for a host. If it is nil, requests have
	// no credentials.
	Credentials Credentials
	// Dirs lists configuration directories like containerd's config_path and Docker's
	// certs.d. For each host, the client uses the first of these directories that has a
	// subdirectory for the host. The subdirectory contains a hosts.toml, or certificates as
	// *.crt.
	Dirs []string
	// Transport wraps the transport to each host, for example to limit its time. If it
	// is nil, transports are not wrapped.
	Transport func(http.RoundTripper) http.RoundTripper
	// Waits contains the delay before each retry of a failed request. A request is retried
	// len(Waits) times.
	Waits []time.Duration
}

// Client sends requests to image registries. Safe for concurrent use.
type Client struct {
	opt Options

	mu    sync.Mutex
	hosts map[hostKey][]docker.RegistryHost
	repos map[hostKey][]docker.RegistryHost

	opened     sync.Mutex        // guards transports
	transports []*http.Transport // to all hosts
}

// hostKey is the key under which a Client stores the hosts for a registry or for a
// repository.
type hostKey struct {
	name     string
	insecure bool // HTTP and unverified certificates are allowed
}

// New returns a client. It does not connect to any host.
func New(o Options) *Client {
	if o.Credentials == nil {
		o.Credentials = func(string) (Login, error) { return Login{}, nil }
	}
	return &Client{opt: o, hosts: map[hostKey][]docker.RegistryHost{}, repos: map[hostKey][]docker.RegistryHost{}}
}

// CloseIdleConnections closes the connections that no request is using. Without this call, a
// connection stays open for some time after its last request.
func (c *Client) CloseIdleConnections() {
	c.opened.Lock()
	defer c.opened.Unlock()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// Repository is a repository in a registry, together with the tag or digest of an image
// reference. Safe for concurrent use.
type Repository struct {
	client   *Client
	spec     refspec.Spec
	hosts    []docker.RegistryHost
	resolver remotes.Resolver
}

// Repository returns the repository for an image reference. The default tag is latest. If
// insecure is set, certificates are not verified and HTTP is allowed. Repository does not
// connect to the registry.
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
	// Each Repository needs its own resolver, whose record of uploads ignores tags.
	r.resolver = docker.NewResolver(docker.ResolverOptions{
		Headers: userAgent(),
		Hosts:   func(string) ([]docker.RegistryHost, error) { return slices.Clone(r.hosts), nil },
	})
	return r, nil
}

// userAgent returns a new header that identifies this program to servers.
func userAgent() http.Header { return http.Header{"User-Agent": {"slipway"}} }

// repositoryHosts returns the hosts that serve a repository: mirrors, then the registry.
// The authorizers of these hosts are not shared with other repositories, because
// credentials may be for one repository only.
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

// authorize configures the credentials for the registry host h. The parameter names contains
// names of repositories and hosts. authorize uses the first name for which the user has
// credentials.
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
	tokens.Transport = limitTransport{tokens.Transport, maxToken}
	h.Authorizer = docker.NewDockerAuthorizer(
		docker.WithAuthClient(&tokens), docker.WithAuthHeader(header),
		docker.WithAuthCreds(func(host string) (string, string, error) {
			if host == h.Host {
				return login.User, login.Secret, nil
			}
			l, err := c.opt.Credentials(host) // the target of a redirect
			return l.User, l.Secret, err
		}))
	return nil
}

// path returns the name of the repository within its registry, such as library/alpine.
func (r *Repository) path() string { return strings.TrimPrefix(r.spec.Locator, r.spec.Hostname()+"/") }

// Digest returns the digest in the reference, or "" if it has none.
func (r *Repository) Digest() digest.Digest { return r.spec.Digest() }

// Name returns the name of the repository with its host, such as docker.io/library/alpine.
func (r *Repository) Name() string { return r.spec.Locator }
