package builder

import (
	"context"

	"slipway/solver/registry"
)

// RegistryHost returns the host of a registry. The parameter name is a host or a URL. If
// it is "", the registry is Docker Hub.
func RegistryHost(name string) string { return registry.Host(name) }

// Login checks a user name and a password with a registry, and stores them where docker
// login stores credentials. If the registry rejects them, Login returns an error and
// stores nothing.
func Login(ctx context.Context, host, user, password string) error {
	l := registry.Login{User: user, Secret: password}
	if err := newRegistry(defaultStall, registry.UserCredentials()).CheckLogin(ctx, host, l); err != nil {
		return err
	}
	return registry.Save(host, l)
}

// Logout removes the credentials for a registry that [Login] or docker login stored.
func Logout(host string) error { return registry.Remove(host) }
