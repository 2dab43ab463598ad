package builder

import (
	"context"

	"slipway/solver/registry"
)

// RegistryHost returns the host of a registry. name is a host or a URL. If name is "", the
// registry is Docker Hub.
func RegistryHost(name string) string { return registry.Host(name) }

// Login checks a user name and password with a registry, and stores them as docker login
// does. It returns an error and stores nothing if the registry rejects them.
func Login(ctx context.Context, host, user, password string) error {
	l := registry.Login{User: user, Secret: password}
	if err := newRegistry(defaultStall).CheckLogin(ctx, host, l); err != nil {
		return err
	}
	return registry.Save(host, l)
}

// Logout removes the credentials for a registry that [Login] or docker login stored.
func Logout(host string) error { return registry.Remove(host) }
