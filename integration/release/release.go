package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"slipway/integration/checkout"
	"slipway/integration/sbom"
)

// release writes the files of a release.
type release struct {
	*checkout.Source
	targets []target
	url     string // from which the archives can be downloaded; if "", there is no formula
	nfpm    string // path of the program that makes packages; if "", no packages are written
	log     io.Writer

	tmp  string            // directory for temporary files
	out  string            // directory that becomes dist/VERSION
	sums map[string]string // hexadecimal SHA-256, by file name
}

// openSource returns the source of a release. The directory of the release must not exist.
func openSource(ctx context.Context, root, version string) (*checkout.Source, error) {
	src, err := checkout.Open(ctx, root, version)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(root, "dist", version)); err == nil {
		return nil, fmt.Errorf("dist/%s: already exists (remove it to make the release again)", version)
	}
	return src, nil
}

// dist returns the directory of the release.
func (r *release) dist() string { return filepath.Join(r.Root, "dist", r.Version) }

// write writes the release. It is complete in dist/VERSION, or nothing is there.
func (r *release) write(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(r.dist()), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(r.dist()), ".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	r.tmp, r.out, r.sums = tmp, filepath.Join(tmp, "out"), map[string]string{}
	if err := os.Mkdir(r.out, 0o755); err != nil {
		return err
	}
	manual, err := r.manual(ctx, tmp)
	if err != nil {
		return err
	}
	for _, t := range r.targets {
		if err := r.writeTarget(ctx, t, manual); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if err := r.writeFormula(); err != nil {
		return err
	}
	if err := r.writeSums(); err != nil {
		return err
	}
	return os.Rename(r.out, r.dist())
}

// writeTarget compiles the program for t and writes its archive, SBOMs and packages.
func (r *release) writeTarget(ctx context.Context, t target, manual []file) error {
	fmt.Fprintf(r.log, "release: %s\n", t)
	bin := filepath.Join(r.tmp, t.fileName())
	if err := r.compile(ctx, t, buildTags, bin); err != nil {
		return err
	}
	data, err := os.ReadFile(bin)
	if err != nil {
		return err
	}
	b, err := sbom.New(ctx, r.Source, sbom.Program{
		Document: r.base(t), File: t.program(), Platform: t.String(), Content: data, Package: program, Tags: buildTags, Env: t.env(),
	})
	if err != nil {
		return err
	}
	if err := r.writeSBOMs(b, t); err != nil {
		return err
	}
	files := append([]file{{name: t.program(), data: data, executable: true}}, manual...)
	docs, err := r.documents()
	if err != nil {
		return err
	}
	files = append(files, docs...)
	for _, m := range b.Modules {
		for _, text := range m.Texts {
			files = append(files, file{name: "licenses/" + m.Path + "/" + text.Name, data: text.Data})
		}
	}
	slices.SortFunc(files, byName)
	if err := r.writeArchive(t, files); err != nil {
		return err
	}
	return r.writePackages(ctx, t, files)
}

// documents returns the documents of the repository that are part of each archive.
func (r *release) documents() ([]file, error) {
	var files []file
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		data, err := os.ReadFile(filepath.Join(r.Root, name))
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: name, data: data})
	}
	return files, nil
}

// archiveName returns the file name of the archive for t.
func (r *release) archiveName(t target) string { return r.base(t) + t.archive() }

// base returns the file name for t, without an extension.
func (r *release) base(t target) string { return "slipway_" + r.Version + "_" + t.fileName() }

func (r *release) writeArchive(t target, files []file) error {
	pack := tarball
	if t.os == "windows" {
		pack = zipped
	}
	data, err := pack(r.base(t), files, r.Time)
	if err != nil {
		return err
	}
	return r.add(r.archiveName(t), data)
}

func (r *release) writeSBOMs(b *sbom.Bill, t target) error {
	for ext, encode := range map[string]func() ([]byte, error){".spdx.json": b.SPDX, ".cdx.json": b.CycloneDX} {
		data, err := encode()
		if err != nil {
			return err
		}
		if err := r.add(r.base(t)+ext, data); err != nil {
			return err
		}
	}
	return nil
}

// add writes a file of the release. Its mode does not depend on the umask.
func (r *release) add(name string, data []byte) error {
	path := filepath.Join(r.out, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	r.sums[name] = fmt.Sprintf("%x", sha256.Sum256(data))
	return os.Chmod(path, 0o644)
}

// writeSums writes SHA256SUMS, which sha256sum -c reads.
func (r *release) writeSums() error {
	var b bytes.Buffer
	names := make([]string, 0, len(r.sums))
	for name := range r.sums {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s  %s\n", r.sums[name], name)
	}
	return r.add("SHA256SUMS", b.Bytes())
}
