// Package registries tests slipway build with distribution, the registry software on which most
// registries are based. One test uses TLS with passwords and a private certificate authority.
// Another test uses HTTP without TLS.
package registries
