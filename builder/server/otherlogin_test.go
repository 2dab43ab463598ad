package server

import (
	"context"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"google.golang.org/grpc"

	"slipway/builder"
	"slipway/internal/fakeregistry"
)

// login is a session attachable with the credentials for all registries.
type login struct {
	auth.UnimplementedAuthServer
	user string
}

func (l login) Register(s *grpc.Server) { auth.RegisterAuthServer(s, l) }

func (l login) Credentials(context.Context, *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	return &auth.CredentialsResponse{Username: l.user, Secret: fakeregistry.Password}, nil
}

// TestOtherLogin checks that the server does not use the credentials of a client in the build of
// another client without credentials: the registry refuses its pull and its push, although the
// server stores the image.
//
// Upstream: an image by digest that the server stores is part of the shared build cache. No registry
// is asked for it.
func TestOtherLogin(t *testing.T) {
	for _, how := range []fakeregistry.Auth{fakeregistry.Basic, fakeregistry.Token} {
		registry := fakeregistry.Start(t, how)
		s := startServer(t, builder.Options{}).listenTCP(t, nil)
		alice, bob := connect(t, s.address), connect(t, s.address) // two identities
		name := registry.Host + "/private:1"
		push := func(c *client.Client, attach ...session.Attachable) error {
			opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a.txt /\n", "a.txt": "private"}))
			opt.Session, opt.Exports = attach, []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"name": name, "push": "true"}}}
			_, err := c.Solve(t.Context(), nil, opt, nil)
			return err
		}
		pull := func(c *client.Client, attach ...session.Attachable) (string, error) {
			var out tarOutput
			opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": "FROM " + name + "\n"}))
			opt.Session, opt.Exports = attach, []client.ExportEntry{out.entry()}
			if _, err := c.Solve(t.Context(), nil, opt, nil); err != nil {
				return "", err
			}
			return out.files(t)["a.txt"], nil
		}
		for range 2 {
			if err := push(alice, login{user: fakeregistry.User}); err != nil {
				t.Errorf("push with credentials: %v", err)
			}
			if got, err := pull(alice, login{user: fakeregistry.Reader}); err != nil || got != "private" {
				t.Errorf("pull with credentials: file %q, error %v", got, err)
			}
			if err := push(bob); err == nil || !strings.Contains(err.Error(), "login") {
				t.Errorf("push without credentials: error %v, want one that asks for a login", err)
			}
			if got, err := pull(bob); err == nil || !strings.Contains(err.Error(), "login") {
				t.Errorf("pull without credentials: file %q, error %v, want one that asks for a login", got, err)
			}
		}
	}
}
