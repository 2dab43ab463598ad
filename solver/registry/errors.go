package registry

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"

	"slipway/internal/oneline"
)

// explained is an error with a text of this package.
type explained struct {
	text string
	err  error
}

// Error implements [error].
func (e *explained) Error() string { return e.text }

// Unwrap returns the error of the library.
func (e *explained) Unwrap() error { return e.err }

// explain returns an error of the library as one line, with advice if possible. action
// is pull or push.
func (r *Repository) explain(err error, action string) error {
	var done *explained
	if err == nil || errors.As(err, &done) {
		return err
	}
	text := plain(err)
	switch {
	case isDenied(err):
		if prefix := action + " access denied"; !strings.Contains(text, prefix) {
			text = prefix + ": " + text
		}
		text += " (" + r.loginHint() + ")"
	case strings.HasPrefix(text, "rejecting "): // a manifest that is too large, reported as not found
		text = strings.TrimSuffix(text, ": not found")
	case errdefs.IsNotFound(err) && strings.HasSuffix(text, ": not found"):
		text = "not found" // the caller adds the name
	default:
		text += r.tlsHint(err)
	}
	return &explained{text, err}
}

func (r *Repository) loginHint() string {
	host := r.spec.Hostname()
	command := "slipway login"
	if host != dockerHub {
		command += " " + host
	}
	if l, err := r.client.opt.Credentials(r.spec.Locator); err == nil && l != (Login{}) {
		who := "the credentials"
		if l.User != "" {
			who += " of " + l.User
		}
		return who + " for " + host + " do not suffice; log in as another user with: " + command
	}
	return "log in with: " + command
}

// tlsHint returns advice for a registry with an untrusted certificate or without HTTPS.
// For other errors it returns "".
func (r *Repository) tlsHint(err error) string {
	host := r.spec.Hostname()
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &authority):
		return " (trust its authority with the file certs.d/" + host + "/ca.crt in ~/.config/docker or /etc/docker)"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return " (allow HTTP with registry.insecure=true of an output or a cache, or with server = \"http://" + host +
			"\" in certs.d/" + host + "/hosts.toml in ~/.config/containerd or /etc/containerd)"
	}
	return ""
}

// isDenied reports whether other credentials may help.
func isDenied(err error) bool {
	var status remoteerrors.ErrUnexpectedStatus
	return errors.Is(err, docker.ErrInvalidAuthorization) ||
		errors.As(err, &status) && (status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden)
}

// plain returns an error text on one line. It removes queries of URLs, which may
// contain secrets, and internal prefixes of the library.
func plain(err error) string {
	const most = 600
	text := strings.ReplaceAll(err.Error(), "\n", ": ")
	for _, noise := range []string{"httpReadSeeker: failed open: ", "failed to do request: "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	text = regexp.MustCompile(`(https?://[^\s"?]*)\?[^\s":]*`).ReplaceAllString(text, "$1")
	return oneline.Limit(text, most)
}

// retry calls f until it succeeds, fails permanently, or no waits remain.
func (r *Repository) retry(ctx context.Context, f func() error) error {
	err := f()
	for _, wait := range r.client.opt.Waits {
		if err == nil || !isTransient(err) {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		err = f()
	}
	return err
}

func isTransient(err error) bool {
	var status remoteerrors.ErrUnexpectedStatus
	if errors.As(err, &status) {
		return slices.Contains([]int{
			http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}, status.StatusCode)
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
