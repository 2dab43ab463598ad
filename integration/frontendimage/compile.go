package frontendimage

import (
	"context"
	"io"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/programimage"
	"slipway/integration/toolbox"
)

// BuildFlags returns the flags of go build for the frontend program, in addition to
// [programimage.BuildFlags]. Packages for connections, of which a frontend uses few functions, are
// compiled without inlining. This makes the image 3 % smaller, and its start no slower.
func BuildFlags() []string {
	return []string{"-gcflags=net/...=-l", "-gcflags=crypto/...=-l", "-gcflags=google.golang.org/grpc/...=-l"}
}

// Compile compiles the frontend program for each platform. The parameter root is the root
// directory of the repository.
func Compile(ctx context.Context, root string, platforms []v1.Platform) ([]programimage.Binary, error) {
	return programimage.Program{Root: root, Package: PackagePath, Flags: BuildFlags()}.Compile(ctx, platforms)
}

// Upstream returns BuildKit's own frontend program for the platform of this machine, so that
// tests can compare it with our program.
func Upstream(ctx context.Context, log io.Writer) ([]programimage.Binary, error) {
	path, err := toolbox.Path(ctx, log, "upstream-frontend")
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return []programimage.Binary{{Platform: v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}, Content: content}}, nil
}

// Spec returns the specification of the frontend image, without attestations.
func Spec() programimage.Spec {
	return programimage.Spec{Path: BinaryPath, Source: "/out/dockerfile-frontend", Labels: Labels()}
}

// Index returns an image index with one frontend image per binary, without attestations.
func Index(binaries []programimage.Binary) (v1.ImageIndex, error) { return Spec().Index(binaries) }
