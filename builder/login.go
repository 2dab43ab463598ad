package builder

import (
	"context"

	"slipway/solver/registry"
)

// RegistryHost returns the host of a registry that a user names by its host or a
// URL; "" is Docker Hub.
func RegistryHost(name string) string { return registry.Host(name) }

// Login stores a user's password for a registry as Docker does, unless the
// registry refuses it.
func Login(ctx context.Context, host, user, password string) error {
	l := registry.Login{User: user, Secret: password}
	if err := newRegistry(defaultStall).CheckLogin(ctx, host, l); err != nil {
		return err
	}
	return registry.Save(host, l)
}

// Logout removes what [Login] or Docker stored for a registry.
func Logout(host string) error { return registry.Remove(host) }
