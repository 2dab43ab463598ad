package sbom

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

// sum returns the hexadecimal SHA-256 of the program.
func (b *Bill) sum() string { return fmt.Sprintf("%x", sha256.Sum256(b.Content)) }

// all returns the main module and its dependencies.
func (b *Bill) all() []Module { return append([]Module{b.Main}, b.Modules...) }

// PURL returns the package URL of m.
func (m Module) PURL() string {
	dir, base := path.Split(m.Path)
	return packageurl.NewPackageURL("golang", strings.TrimSuffix(dir, "/"), base, m.Version, nil, "").ToString()
}

// SPDX returns the SBOM in SPDX 2.3. The licence of each module is not asserted: the archive
// contains the texts.
func (b *Bill) SPDX() ([]byte, error) {
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: b.Document,
		DocumentNamespace: "urn:slipway:" + b.Document + ":sha256:" + b.sum(),
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "slipway-release"}},
			Created:  b.source.Time.Format(time.RFC3339),
		},
		Relationships: []*spdx.Relationship{relation("DOCUMENT", "DESCRIBES", spdxID(b.Main.Path))},
	}
	for _, m := range b.all() {
		doc.Packages = append(doc.Packages, b.spdxPackage(m))
		for _, to := range m.Imports {
			doc.Relationships = append(doc.Relationships, relation(spdxID(m.Path), "DEPENDS_ON", spdxID(to)))
		}
	}
	var out bytes.Buffer
	err := spdxjson.Write(doc, &out, spdxjson.Indent("  "), spdxjson.EscapeHTML(false))
	return out.Bytes(), err
}

func (b *Bill) spdxPackage(m Module) *spdx.Package {
	const unknown = "NOASSERTION"
	p := &spdx.Package{
		PackageName: m.Path, PackageSPDXIdentifier: common.ElementID(spdxID(m.Path)), PackageVersion: m.Version,
		PackageDownloadLocation: unknown, PackageLicenseConcluded: unknown, PackageLicenseDeclared: unknown, PackageCopyrightText: unknown,
		PrimaryPackagePurpose: "LIBRARY",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: m.PURL(),
		}},
	}
	if m.Sum != "" {
		p.PackageSourceInfo = "go.sum: " + m.Sum
	}
	if m.Path == b.Main.Path {
		p.PrimaryPackagePurpose, p.PackageLicenseDeclared = "APPLICATION", "Apache-2.0"
		p.PackageSourceInfo = "commit " + b.source.Commit
		p.PackageFileName = b.File
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

// CycloneDX returns the SBOM in CycloneDX 1.6.
func (b *Bill) CycloneDX() ([]byte, error) {
	refs := map[string]string{}
	for _, m := range b.all() {
		refs[m.Path] = m.PURL()
	}
	app := component(b.Main)
	app.Type = cdx.ComponentTypeApplication
	app.Licenses = &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}
	app.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: b.sum()}}
	app.Properties = &[]cdx.Property{{Name: "commit", Value: b.source.Commit}, {Name: "platform", Value: b.Platform}}
	var components []cdx.Component
	for _, m := range b.Modules {
		components = append(components, component(m))
	}
	var edges []cdx.Dependency
	for _, m := range b.all() {
		var on []string
		for _, to := range m.Imports {
			on = append(on, refs[to])
		}
		slices.Sort(on)
		edges = append(edges, cdx.Dependency{Ref: refs[m.Path], Dependencies: &on})
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: b.source.Time.Format(time.RFC3339), Component: &app}
	bom.Components, bom.Dependencies = &components, &edges
	var out bytes.Buffer
	err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
	return out.Bytes(), err
}

// component returns the component of m.
func component(m Module) cdx.Component {
	c := cdx.Component{
		BOMRef: m.PURL(), Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: m.PURL(),
	}
	if m.Sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go.sum", Value: m.Sum}}
	}
	return c
}
