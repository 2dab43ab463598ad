// Package config reads the configuration of slipway lint: .slipway.yaml, and hadolint's
// .hadolint.yaml.
//
// [Find] searches the file in the directories above a Dockerfile, and [Parse] reads it. An
// unknown key, rule or value is an error with its location.
package config
