package llbsource

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/moby/buildkit/util/urlutil"

	"slipway/internal/suggest"
)

// suggestion returns a hint such as " (did you mean main?)" for a ref that does not exist. If
// no branch or tag has a similar name, it returns "".
func (r *gitRefs) suggestion(ref string) string {
	var names []string
	for _, full := range r.names() {
		for _, kind := range []string{"refs/heads/", "refs/tags/"} {
			name, ok := strings.CutPrefix(full, kind)
			if !ok {
				continue
			}
			if strings.EqualFold(name, ref) || name == "v"+ref || "v"+name == ref {
				return fmt.Sprintf(" (did you mean %s?)", name)
			}
			names = append(names, name)
		}
	}
	if match, ok := suggest.Near(ref, names); ok {
		return fmt.Sprintf(" (did you mean %s?)", match)
	}
	return ""
}

// gitRefs holds the branches, tags and other refs of a remote, with their hashes.
type gitRefs struct {
	head   string // full name of the default branch; "" if it is unknown
	hashes map[string]plumbing.Hash
	sha256 map[string]string // hashes of refs if they are SHA-256 hashes; then hashes is nil
	peeled map[string]string // commit hashes of annotated tags, by ref
}

// hash returns the hash of a ref, or false if the remote does not have the ref.
func (r *gitRefs) hash(name string) (string, bool) {
	if hash, ok := r.hashes[name]; ok {
		return hash.String(), true
	}
	hash, ok := r.sha256[name]
	return hash, ok
}

// names returns the full names of all refs in alphabetical order.
func (r *gitRefs) names() []string {
	return slices.Sorted(iter.Seq[string](func(yield func(string) bool) {
		for name := range r.hashes {
			if !yield(name) {
				return
			}
		}
		for name := range r.sha256 {
			if !yield(name) {
				return
			}
		}
	}))
}

// gitService is a connection to git-upload-pack, the service that sends refs and packs.
type gitService interface {
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	UploadPack(context.Context, *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	io.Closer
}

// remoteGit is a [gitService] of a server. Its method refsStart returns the first bytes of the list of
// refs, as far as the server has sent it.
type remoteGit interface {
	gitService
	refsStart() *refsStart
}

// gitSession is a connection to a remote after the remote has listed its refs.
type gitSession struct {
	gitService
	remote string
	adv    *packp.AdvRefs
	refs   gitRefs
}

// redact hides the password in a remote's URL for messages.
func redact(remote string) string { return urlutil.RedactCredentials(remote) }

// gitSession connects to a remote and lists its refs. The parameter remote is the URL of
// the git source with the options o, or the URL of one of its submodules. The caller must
// close the session.
func (s *Sources) gitSession(ctx context.Context, o *gitOptions, remote string) (*gitSession, error) {
	ep, err := transport.NewEndpoint(remote)
	if err != nil {
		return nil, err
	}
	var session remoteGit
	switch ep.Protocol {
	case "http", "https":
		session, err = s.dialGitHTTP(ctx, o, ep, remote)
	case "git":
		session, err = s.dialGit(ctx, ep)
	case "ssh":
		session, err = s.dialGitSSH(ctx, o, ep)
	default:
		return nil, fmt.Errorf("git over %s:// is not allowed", ep.Protocol)
	}
	if err != nil {
		return nil, fmt.Errorf("failed to fetch remote %s: %w", redact(remote), err)
	}
	adv, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		_ = session.Close() // err is more specific
		if session.refsStart().hasSHA256() {
			err = errSHA256
		}
		return nil, fmt.Errorf("failed to fetch remote %s: %w", redact(remote), gitError(err))
	}
	return &gitSession{gitService: session, remote: remote, adv: adv, refs: parseRefs(adv)}, nil
}

// gitError replaces go-git's errors about access to a repository with one-line messages
// that include a hint. It returns other errors unchanged.
func gitError(err error) error {
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return errors.New("authentication required (a token is a secret: --secret id=GIT_AUTH_TOKEN)")
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return errors.New("access denied (a token is a secret: --secret id=GIT_AUTH_TOKEN)")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return errors.New("repository not found (a private one needs a token: --secret id=GIT_AUTH_TOKEN)")
	}
	return err
}

// withoutErrorPages returns a copy of the HTTP client c that drops the bodies of error
// responses, and its transport. go-git would read the whole body and include it in its error.
func withoutErrorPages(c *http.Client) (*http.Client, *errorPages) {
	plain := *c
	pages := &errorPages{RoundTripper: cmp.Or(c.Transport, http.DefaultTransport)}
	plain.Transport = pages
	return &plain, pages
}

// errorPages is a transport that drops the bodies of error responses and limits the size
// of the list of refs.
type errorPages struct {
	http.RoundTripper
	dumb  bool      // the list of refs is not in the format of git's smart protocol
	start refsStart // start of the list of refs
}

// smartRefs is the media type of a list of refs in git's smart protocol.
const smartRefs = "application/x-git-upload-pack-advertisement"

// RoundTrip implements [http.RoundTripper].
func (e *errorPages) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := e.RoundTripper.RoundTrip(req)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = resp.Body.Close()
		resp.Body = http.NoBody
	}
	if err == nil && strings.HasSuffix(req.URL.Path, "/info/refs") {
		resp.Body = &limitedReader{resp.Body, maxGitRefs, &e.start}
		e.dumb = resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") != smartRefs
	}
	return resp, err
}

func parseRefs(adv *packp.AdvRefs) gitRefs {
	refs := gitRefs{hashes: adv.References, peeled: map[string]string{}}
	for name, hash := range adv.Peeled {
		refs.peeled[name] = hash.String()
	}
	for _, link := range adv.Capabilities.Get(capability.SymRef) {
		if target, ok := strings.CutPrefix(link, "HEAD:"); ok {
			refs.head = target
		}
	}
	return refs
}

// fetch fetches all files of the commit or tag with the given hash. Unless history is set, it omits
// the history if the remote supports shallow fetches. Some remotes serve only commits to which a ref points.
// If such a remote has no ref for the commit, fetch requests all refs with their history.
func (g *gitSession) fetch(ctx context.Context, hash plumbing.Hash, to packTarget, history bool) (*gitPack, error) {
	caps := g.adv.Capabilities
	served := caps.Supports(capability.AllowReachableSHA1InWant) || caps.Supports("allow-any-sha1-in-want")
	for _, h := range g.adv.References {
		served = served || h == hash
	}
	wants, depth := []plumbing.Hash{hash}, 1
	if history {
		depth = 0
	}
	if !served {
		wants, depth = g.allRefs(), 0
	}
	pack, err := g.pack(ctx, wants, depth, to)
	if err != nil {
		return nil, fmt.Errorf("failed to fetch remote %s: %w", redact(g.remote), gitError(err))
	}
	if err := pack.HasEncodedObject(hash); err != nil {
		return nil, errors.Join(fmt.Errorf("the repository %s has no commit %s", redact(g.remote), hash), pack.Close())
	}
	return pack, nil
}

func (g *gitSession) allRefs() []plumbing.Hash {
	var all []plumbing.Hash
	for _, h := range g.adv.References {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b plumbing.Hash) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(all)
}

func (g *gitSession) pack(ctx context.Context, wants []plumbing.Hash, depth int, to packTarget) (p *gitPack, err error) {
	req := packp.NewUploadPackRequestFromCapabilities(g.adv.Capabilities)
	req.Wants = wants
	set := []capability.Capability{capability.NoProgress}
	if depth > 0 && g.adv.Capabilities.Supports(capability.Shallow) {
		req.Depth = packp.DepthCommits(depth)
		set = append(set, capability.Shallow)
	}
	for _, c := range set {
		if g.adv.Capabilities.Supports(c) {
			if err := req.Capabilities.Set(c); err != nil {
				return nil, err
			}
		}
	}
	resp, err := g.UploadPack(ctx, req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Close()) }()
	var r io.Reader = resp
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		r = sideband.NewDemuxer(sideband.Sideband64k, resp)
	case req.Capabilities.Supports(capability.Sideband):
		r = sideband.NewDemuxer(sideband.Sideband, resp)
	}
	return readPack(ctx, r, to)
}

// gitAuth returns the Authorization header for a remote from the build's secrets, or
// nil. A secret named after the host, such as GIT_AUTH_TOKEN.github.com, takes precedence
// over GIT_AUTH_TOKEN.
func (s *Sources) gitAuth(ctx context.Context, o *gitOptions, remote string) (transport.AuthMethod, error) {
	if !strings.HasPrefix(remote, tokenScope(o.remote)) {
		return nil, nil
	}
	u, err := url.Parse(remote)
	if err != nil {
		return nil, nil //nolint:nilerr // the request reports the invalid URL
	}
	token := func(v []byte) string {
		return "basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+string(v)))
	}
	for _, suffix := range []string{"." + u.Host, ""} {
		for _, from := range []struct {
			id    string
			value func([]byte) string
		}{{o.header, func(v []byte) string { return string(v) }}, {o.token, token}} {
			if from.id == "" {
				continue
			}
			v, ok, err := s.secret(ctx, from.id+suffix)
			if err != nil {
				return nil, err
			}
			if ok {
				return &gitHeader{host: u.Host, value: from.value(v)}, nil
			}
		}
	}
	return nil, nil
}

// tokenScope returns the URL prefix of all remotes that may receive the secrets of the
// given remote. The prefix is the URL of the remote itself. For a repository on GitHub,
// it is the URL of GitHub, so that private submodules can be fetched.
func tokenScope(remote string) string {
	for _, host := range []string{"https://github.com/", "https://www.github.com/"} {
		if strings.HasPrefix(remote, host) {
			return host
		}
	}
	return remote
}

// gitHeader is an Authorization header for one host.
type gitHeader struct{ host, value string }

// Name implements [transport.AuthMethod].
func (h *gitHeader) Name() string { return "http-header" }

// String implements [transport.AuthMethod]. It does not contain the secret.
func (h *gitHeader) String() string { return h.Name() + " for " + h.host }

// SetAuth implements [githttp.AuthMethod]. It sets the header only for requests to h.host,
// so that a redirect to another host does not leak the secret.
func (h *gitHeader) SetAuth(r *http.Request) {
	if r.URL.Host == h.host {
		r.Header.Set("Authorization", h.value)
	}
}
