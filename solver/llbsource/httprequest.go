package llbsource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// downloadKey returns the key under which the index stores the response to a request. The key
// covers attributes that affect the request.
//
// Upstream: the key also covers the name, the mode and the owner of the file, so that BuildKit
// downloads a file again if only one of them changes.
func downloadKey(op *pb.SourceOp) string {
	key := op.Identifier
	for _, name := range slices.Sorted(maps.Keys(op.Attrs)) {
		switch name {
		case pb.AttrHTTPFilename, pb.AttrHTTPPerm, pb.AttrHTTPUID, pb.AttrHTTPGID, pb.AttrHTTPAuthHeaderSecret:
		default:
			if !strings.HasPrefix(name, pb.AttrHTTPHeaderPrefix) {
				continue
			}
		}
		key += fmt.Sprintf(" %s=%q", name, op.Attrs[name])
	}
	return key
}

// header returns the recorded response headers of the download as an [http.Header].
func (f pastDownload) header() http.Header {
	h := http.Header{}
	for name, v := range f.Header {
		if v != "" {
			h.Set(name, v)
		}
	}
	return h
}

// userAgent identifies this program to HTTP servers. Some servers expect BuildKit's name.
const userAgent = "slipway (compatible; buildkit/v0.34)"

// unchanged asks the server of an HTTP source whether its file still has the given ETag. If the
// request fails, the result is false. Unlike a conditional GET request, the HEAD request does not
// make a server send the file that ignores If-None-Match.
func (s *Sources) unchanged(ctx context.Context, op *pb.SourceOp, etag string) bool {
	if etag == "" {
		return false
	}
	resp, err := s.sendRequest(ctx, op, http.MethodHead, http.Header{
		"If-None-Match":   {etag},
		"Accept-Encoding": {"gzip"}, // as in GET requests, because the ETag may depend on it
	})
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // is empty
	return isUnchanged(resp, etag)
}

// sendRequest sends a request for an HTTP source, with additional headers.
func (s *Sources) sendRequest(ctx context.Context, op *pb.SourceOp, method string, header http.Header) (*http.Response, error) {
	if s.HTTP == nil {
		return nil, errors.New("downloads are not allowed")
	}
	req, err := http.NewRequestWithContext(ctx, method, op.Identifier, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	maps.Copy(req.Header, header)
	for attr, v := range op.Attrs {
		name, ok := strings.CutPrefix(attr, pb.AttrHTTPHeaderPrefix)
		switch http.CanonicalHeaderKey(name) {
		case "Accept", "User-Agent": // others are dropped, as in BuildKit
			if ok {
				req.Header.Set(name, v)
			}
		}
	}
	if err := s.authorize(req, op.Attrs[pb.AttrHTTPAuthHeaderSecret]); err != nil {
		return nil, err
	}
	c := *s.HTTP
	c.CheckRedirect = checkRedirect
	return c.Do(req)
}

// maxRedirects is the maximum number of redirects that a request follows, as in BuildKit.
const maxRedirects = 10

// checkRedirect limits the number of redirects. A redirect from HTTPS to HTTP drops the
// secrets of the request, which would be sent in clear text.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if req.URL.Scheme == "http" && via[0].URL.Scheme == "https" {
		req.Header.Del("Authorization")
	}
	return nil
}

// authorize adds an Authorization header to the request req. If secret is not "", the header
// is the value of the secret with this ID. If secret is "", the header comes from the secret
// HTTP_AUTH_TOKEN_HOST (a bearer token) or HTTP_AUTH_HEADER_HOST, if the build has such a
// secret for the requested host.
func (s *Sources) authorize(req *http.Request, secret string) error {
	if secret != "" {
		v, ok, err := s.secret(req.Context(), secret)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("failed to retrieve HTTP auth secret %s: the build has no secret with this ID", secret)
		}
		req.Header.Set("Authorization", string(v))
		return nil
	}
	for _, from := range []struct{ id, scheme string }{{"HTTP_AUTH_HEADER_", ""}, {"HTTP_AUTH_TOKEN_", "Bearer "}} {
		v, ok, err := s.secret(req.Context(), from.id+req.URL.Hostname())
		if err != nil {
			return err
		}
		if ok {
			req.Header.Set("Authorization", from.scheme+string(v))
		}
	}
	return nil
}

// isUnchanged reports whether a response says that the file still has the given ETag. Some
// servers send the whole file with the same ETag instead of status 304. Weak ETags are
// compared like strong ones, as in BuildKit.
func isUnchanged(resp *http.Response, etag string) bool {
	if etag == "" {
		return false
	}
	now := resp.Header.Get("Etag")
	switch resp.StatusCode {
	case http.StatusNotModified:
		return now == "" || trimWeak(now) == trimWeak(etag)
	case http.StatusOK:
		return trimWeak(now) == trimWeak(etag)
	}
	return false
}

// trimWeak removes the prefix W/, which marks a weak ETag, from an ETag.
func trimWeak(etag string) string { return strings.TrimPrefix(etag, "W/") }
