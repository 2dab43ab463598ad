package frontendimage

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/toolbox"
)

// BuildFlags returns the flags of go build for the frontend program.
//
// The tag grpcnotrace omits gRPC's debug pages, which a frontend cannot serve. These pages
// use html/template, which calls methods by name, so that the linker could not remove any
// unused method.
func BuildFlags() []string {
	return []string{"-tags", "grpcnotrace", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"}
}

// A Binary is the frontend program for one platform.
type Binary struct {
	Platform v1.Platform
	Content  []byte
}

// Compile builds the frontend program for each platform. The parameter root is the root
// directory of the repository.
func Compile(ctx context.Context, root string, platforms []v1.Platform) ([]Binary, error) {
	return CompilePackage(ctx, root, PackagePath, platforms)
}

// CompilePackage builds the program of package pkg for each platform. The parameter root is
// the root directory of the repository. The parameter flags contains additional flags of go
// build, which override the flags from BuildFlags.
func CompilePackage(ctx context.Context, root, pkg string, platforms []v1.Platform, flags ...string) ([]Binary, error) {
	dir, err := os.MkdirTemp("", "slipway-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var list []Binary
	for _, p := range platforms {
		out := filepath.Join(dir, p.Architecture+p.Variant)
		args := slices.Concat([]string{"build"}, BuildFlags(), flags, []string{"-o", out, "./" + pkg})
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Stderr = root, os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Architecture)
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("building %s for %s: %w", pkg, p, err)
		}
		content, err := os.ReadFile(out)
		if err != nil {
			return nil, err
		}
		list = append(list, Binary{Platform: p, Content: content})
	}
	return list, nil
}

// Upstream returns BuildKit's own frontend program for the platform of this machine, so that
// tests can compare it with our program.
func Upstream(ctx context.Context, log io.Writer) ([]Binary, error) {
	path, err := toolbox.Path(ctx, log, "upstream-frontend")
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return []Binary{{Platform: v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}, Content: content}}, nil
}
