// Package clients builds with the programs that people use: docker buildx build
// and bake against a BuildKit (driver remote), and docker build against Docker
// Engine 20.10. Our frontend is chosen as users choose it, by # syntax.
//
// Each test is about one thing that such a client does and that the frontend
// takes part in: contexts, secrets, agents, several platforms, calls that build
// nothing, caches that move from one builder to another.
//
// The tests have build tag integration: they need Linux and root.
package clients
