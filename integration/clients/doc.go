// Package clients tests the frontend with the clients that users run: docker buildx build and
// bake (driver remote), docker compose build, and buildctl. Most tests run with buildkitd and with
// slipway serve. A # syntax line selects the frontend, as in the Dockerfiles of users.
//
// Each test covers a feature of a client that involves the frontend: contexts, secrets, SSH
// agents, several platforms, values of --call, and moving caches between builders.
//
// The tests have build tag integration: they need Linux and root.
package clients
