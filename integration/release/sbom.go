package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	packageurl "github.com/package-url/packageurl-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// bill is what an SBOM says about the program for one target: its modules, and which of them
// imports which.
type bill struct {
	*source
	target  target
	program []byte
	main    module
	deps    []module
}

// name returns the name of the SBOM.
func (b bill) name() string { return "slipway_" + b.version + "_" + b.target.fileName() }

// sum returns the hexadecimal SHA-256 of the program.
func (b bill) sum() string { return fmt.Sprintf("%x", sha256.Sum256(b.program)) }

// all returns the main module and its dependencies.
func (b bill) all() []module { return append([]module{b.main}, b.deps...) }

// purl returns the package URL of m.
func (m module) purl() string {
	dir, base := path.Split(m.path)
	return packageurl.NewPackageURL("golang", strings.TrimSuffix(dir, "/"), base, m.version, nil, "").ToString()
}

// spdx returns the SBOM in SPDX 2.3. The licence of each module is not asserted: the archive
// contains the texts.
func (b bill) spdx() ([]byte, error) {
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: b.name(),
		DocumentNamespace: "urn:slipway:" + b.name() + ":sha256:" + b.sum(),
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "slipway-release"}},
			Created:  b.time.Format(time.RFC3339),
		},
		Relationships: []*spdx.Relationship{relation("DOCUMENT", "DESCRIBES", spdxID(b.main.path))},
	}
	for _, m := range b.all() {
		doc.Packages = append(doc.Packages, b.spdxPackage(m))
		for _, to := range m.imports {
			doc.Relationships = append(doc.Relationships, relation(spdxID(m.path), "DEPENDS_ON", spdxID(to)))
		}
	}
	var out bytes.Buffer
	err := spdxjson.Write(doc, &out, spdxjson.Indent("  "), spdxjson.EscapeHTML(false))
	return out.Bytes(), err
}

func (b bill) spdxPackage(m module) *spdx.Package {
	const unknown = "NOASSERTION"
	p := &spdx.Package{
		PackageName: m.path, PackageSPDXIdentifier: common.ElementID(spdxID(m.path)), PackageVersion: m.version,
		PackageDownloadLocation: unknown, PackageLicenseConcluded: unknown, PackageLicenseDeclared: unknown, PackageCopyrightText: unknown,
		PrimaryPackagePurpose: "LIBRARY",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: m.purl(),
		}},
	}
	if m.sum != "" {
		p.PackageSourceInfo = "go.sum: " + m.sum
	}
	if m.path == b.main.path {
		p.PrimaryPackagePurpose, p.PackageLicenseDeclared = "APPLICATION", "Apache-2.0"
		p.PackageSourceInfo = "commit " + b.commit
		p.PackageFileName = b.target.program()
		p.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: b.sum()}}
	}
	return p
}

// relation returns a relationship of two elements.
func relation(from, kind, to string) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.MakeDocElementID("", from), RefB: common.MakeDocElementID("", to), Relationship: kind}
}

// spdxID returns the identifier of a module, such as golang.org-x-sys-1c9d2a3b. Identifiers may
// contain only letters, digits, dots and hyphens. The digest of the path keeps those of paths
// apart that differ only in other characters.
func spdxID(modulePath string) string {
	readable := strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.') {
			return r
		}
		return '-'
	}, modulePath)
	return fmt.Sprintf("%s-%.4x", readable, sha256.Sum256([]byte(modulePath)))
}

// cyclonedx returns the SBOM in CycloneDX 1.6.
func (b bill) cyclonedx() ([]byte, error) {
	refs := map[string]string{}
	for _, m := range b.all() {
		refs[m.path] = m.purl()
	}
	app := component(b.main)
	app.Type = cdx.ComponentTypeApplication
	app.Licenses = &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}
	app.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: b.sum()}}
	app.Properties = &[]cdx.Property{{Name: "commit", Value: b.commit}, {Name: "platform", Value: b.target.String()}}
	var components []cdx.Component
	for _, m := range b.deps {
		components = append(components, component(m))
	}
	var edges []cdx.Dependency
	for _, m := range b.all() {
		var on []string
		for _, to := range m.imports {
			on = append(on, refs[to])
		}
		slices.Sort(on)
		edges = append(edges, cdx.Dependency{Ref: refs[m.path], Dependencies: &on})
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: b.time.Format(time.RFC3339), Component: &app}
	bom.Components, bom.Dependencies = &components, &edges
	var out bytes.Buffer
	err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
	return out.Bytes(), err
}

// component returns the component of m.
func component(m module) cdx.Component {
	c := cdx.Component{
		BOMRef: m.purl(), Type: cdx.ComponentTypeLibrary, Name: m.path, Version: m.version, PackageURL: m.purl(),
	}
	if m.sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go.sum", Value: m.sum}}
	}
	return c
}
