// Package sbom lists the modules of a Go program and writes them as a software bill of materials,
// in the formats of SPDX and CycloneDX.
//
// The modules are those whose packages are linked into the program, with their versions, digests
// in go.sum, licence texts, and imports of each other. The only time in a
// bill is the time of the commit, and it has no random identifiers, so that two bills of the same
// program are equal.
package sbom

import (
	"context"

	"slipway/integration/checkout"
)

// A Program is a compiled program of this repository.
type Program struct {
	Document string // name of the document, such as slipway_1.2.3_linux_amd64
	File     string // file name of the program
	Platform string // such as linux/arm/v7
	Content  []byte
	// These settings are those with which the program was compiled.
	Package string // such as ./cmd/slipway
	Tags    string // build tags
	Env     []string
}

// A Bill lists what a program contains.
type Bill struct {
	Program
	Main    Module
	Modules []Module // without the main module, sorted by path
	source  *checkout.Source
}

// New returns the bill of a program that was compiled from src.
func New(ctx context.Context, src *checkout.Source, p Program) (*Bill, error) {
	b := &Bill{Program: p, source: src}
	return b, b.readModules(ctx)
}
