// Package registries tests slipway build with distribution, the registry on
// which most registries are based: over TLS with passwords and a private
// certificate authority, and without TLS.
package registries
