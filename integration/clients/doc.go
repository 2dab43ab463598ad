// Package clients tests the frontend with the clients that users run: docker
// buildx build and bake with BuildKit (driver remote), and docker build with
// Docker Engine 20.10. The frontend is selected with # syntax, as users do.
//
// Each test covers a feature of a client in which the frontend takes part:
// contexts, secrets, agents, several platforms, calls other than build, and
// caches moved between builders.
//
// The tests have build tag integration: they need Linux and root.
package clients
