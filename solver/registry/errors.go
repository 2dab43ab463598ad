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

// userError is an error from containerd's client, rewritten as a user-facing message.
type userError struct {
	text string
	err  error
}

// Error implements [error].
func (e *userError) Error() string { return e.text }

// Unwrap returns the error from containerd's client.
func (e *userError) Unwrap() error { return e.err }

// explain rewrites an error from containerd's client as a user-facing message of one
// line, with a hint where possible. The parameter action is "pull" or "push". If err is
// nil, explain returns nil.
func (r *Repository) explain(err error, action string) error {
	var done *userError
	if err == nil || errors.As(err, &done) {
		return err
	}
	text := oneLine(err)
	switch {
	case isDenied(err):
		if prefix := action + " access denied"; !strings.Contains(text, prefix) {
			text = prefix + ": " + text
		}
		text += " (" + r.loginHint() + ")"
	case strings.HasPrefix(text, "rejecting "): // the manifest is too large, which containerd reports as not found
		text = strings.TrimSuffix(text, ": not found")
	case errdefs.IsNotFound(err) && strings.HasSuffix(text, ": not found"):
		text = "not found" // the caller adds the name
	default:
		text += r.tlsHint(err)
	}
	return &userError{text, err}
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

// tlsHint returns advice in parentheses if err means that the registry's certificate is
// untrusted, or that the registry does not support HTTPS. For other errors it returns "".
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

// isDenied reports whether err means that access was denied. Logging in may help in this
// case.
func isDenied(err error) bool {
	var status remoteerrors.ErrUnexpectedStatus
	return errors.Is(err, docker.ErrInvalidAuthorization) ||
		errors.As(err, &status) && (status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden)
}

// oneLine returns the text of err as one line of limited length. It removes URL queries,
// which may contain secrets, and prefixes that only matter to developers of containerd.
func oneLine(err error) string {
	const limit = 600
	text := strings.ReplaceAll(err.Error(), "\n", ": ")
	for _, noise := range []string{"httpReadSeeker: failed open: ", "failed to do request: "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	text = regexp.MustCompile(`(https?://[^\s"?]*)\?[^\s":]*`).ReplaceAllString(text, "$1")
	return oneline.Limit(text, limit)
}

// retry calls f until it succeeds or fails permanently. It waits between the calls as
// Options.Waits specifies, and returns the last error when no waits remain.
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
