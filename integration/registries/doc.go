// Package registries tests slipway build with distribution, the registry software that most
// registries are based on. One test uses TLS with passwords and a private certificate
// authority, another plain HTTP.
package registries
