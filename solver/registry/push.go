package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Push pushes the blob with descriptor d, unless the repository already has it. It calls open
// for each attempt, because a retry sends the blob from its beginning.
func (r *Repository) Push(ctx context.Context, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	return r.push(ctx, r.spec.String(), d, open)
}

func (r *Repository) push(ctx context.Context, ref string, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	p, err := r.resolver.Pusher(ctx, ref)
	if err != nil {
		return err
	}
	ctx = remotes.WithMediaTypeKeyPrefix(withoutLogs(ctx), d.MediaType, "blob") // makes containerd accept any media type
	err = r.retry(ctx, func() error {
		w, err := p.Push(ctx, d)
		if errdefs.IsAlreadyExists(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.Join(send(ctx, w, d, open), w.Close())
	})
	return r.explain(err, "push")
}

// send writes a blob to w and commits it. The parameter d is the blob's descriptor, and
// open opens the blob's content. If the registry client resets w, for example after a
// login, send starts again from the beginning.
func send(ctx context.Context, w content.Writer, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	for {
		err := sendOnce(w, open)
		if err == nil {
			err = w.Commit(ctx, d.Size, d.Digest)
		}
		if !errors.Is(err, content.ErrReset) {
			return err
		}
	}
}

func sendOnce(w io.Writer, open func() (io.ReadCloser, error)) error {
	rc, err := open()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, rc)
	return errors.Join(err, rc.Close())
}

// PushManifest pushes a manifest or an index under its digest. The blobs and manifests to
// which it refers must be in the repository already.
func (r *Repository) PushManifest(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error {
	return r.push(ctx, r.spec.Locator+"@"+string(d.Digest), d, inMemory(manifest))
}

// Tag pushes a manifest or an index under the tag of the reference. The blobs and
// manifests to which it refers must be in the repository already.
func (r *Repository) Tag(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error {
	return r.push(ctx, r.spec.String(), d, inMemory(manifest))
}

func inMemory(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// CheckPush returns an error if the registry would reject a push by this user. It starts an
// upload and cancels it. CheckPush does not return an error for an overloaded or failing
// registry.
func (r *Repository) CheckPush(ctx context.Context) error {
	for _, h := range r.hosts {
		if !h.Capabilities.Has(docker.HostCapabilityPush) {
			continue
		}
		ctx, err := docker.ContextWithRepositoryScope(withoutLogs(ctx), r.spec, true)
		if err != nil {
			return err
		}
		return r.explain(r.checkPush(ctx, h), "push")
	}
	return nil
}

func (r *Repository) checkPush(ctx context.Context, h docker.RegistryHost) error {
	resp, err := sendRequest(ctx, h, http.MethodPost, h.Scheme+"://"+h.Host+h.Path+"/"+r.path()+"/blobs/uploads/")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= http.StatusInternalServerError:
		return nil
	case code >= http.StatusBadRequest:
		return remoteerrors.NewUnexpectedStatusErr(resp)
	}
	if upload, err := resp.Request.URL.Parse(resp.Header.Get("Location")); err == nil && upload.Host == resp.Request.URL.Host {
		if resp, err := sendRequest(ctx, h, http.MethodDelete, upload.String()); err == nil {
			_ = resp.Body.Close() // an upload that is not canceled expires
		}
	}
	return nil
}

// sendRequest sends a request without a body to a host, and logs in if the host requires
// it. The caller must close the response body.
func sendRequest(ctx context.Context, h docker.RegistryHost, method, url string) (*http.Response, error) {
	const logins = 2 // the first login may use an expired token
	var responses []*http.Response
	for {
		req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
		if err != nil {
			return nil, err
		}
		req.Header = userAgent()
		for k, v := range h.Header {
			req.Header[k] = append(req.Header[k], v...)
		}
		if h.Authorizer != nil {
			if err := h.Authorizer.Authorize(ctx, req); err != nil {
				return nil, err
			}
		}
		resp, err := h.Client.Do(req)
		if err != nil || resp.StatusCode != http.StatusUnauthorized || h.Authorizer == nil || len(responses) == logins {
			return resp, err
		}
		responses = append(responses, resp)
		switch err := h.Authorizer.AddResponses(ctx, responses); {
		case errdefs.IsNotImplemented(err):
			return resp, nil
		case err != nil:
			return nil, errors.Join(err, resp.Body.Close())
		}
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
	}
}
