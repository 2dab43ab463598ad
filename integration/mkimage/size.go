package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/frontendimage"
	"slipway/integration/programimage"
	"slipway/integration/toolbox"
)

// printSize prints the sizes of our frontend image and upstream's for the platform of this
// machine. It also prints the size of our program by section and by module.
func printSize(ctx context.Context, w io.Writer) error {
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	platforms := []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}}
	ours, err := frontendimage.Compile(ctx, root, platforms)
	if err != nil {
		return err
	}
	upstream, err := frontendimage.Upstream(ctx, os.Stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "slipway-size-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, p := range []struct {
		name     string
		binaries []programimage.Binary
	}{{"ours", ours}, {"upstream", upstream}} {
		index, err := frontendimage.Index(p.binaries)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, p.name+".tar")
		if err := programimage.WriteArchive(file, index); err != nil {
			return err
		}
		archive, err := os.Stat(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: program %.2f MB, image archive %.2f MB\n", p.name,
			float64(len(p.binaries[0].Content))/1e6, float64(archive.Size())/1e6)
	}
	fmt.Fprintln(w, "\nOur program in bytes, by section and by module:")
	withSymbols, err := programimage.Program{Root: root, Package: frontendimage.PackagePath, Flags: append(frontendimage.BuildFlags(), "-ldflags=")}.Compile(ctx, platforms)
	if err != nil {
		return err
	}
	return frontendimage.WriteSizes(w, withSymbols[0].Content)
}
