// Package registries tests slipway build with distribution, the registry that
// most registries are made of: over TLS with passwords and an authority of its
// own, and without TLS.
package registries
