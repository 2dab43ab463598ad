package programimage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/checkout"
)

// BuildTags are the build tags of our programs.
//
// The tag grpcnotrace omits gRPC's debug pages, which a frontend cannot serve. These pages
// use html/template, which calls methods by name, so that the linker could not remove any
// unused method.
const BuildTags = "grpcnotrace"

// BuildFlags returns the flags of go build for our programs.
func BuildFlags() []string {
	return []string{"-tags", BuildTags, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"}
}

// A Program is a program of this repository, and how it is compiled.
type Program struct {
	Root    string   // root directory of the repository
	Package string   // directory of the program, relative to Root
	Flags   []string // additional flags of go build, which override those from BuildFlags
	Env     []string // environment of go build; if it is nil, that of this process
}

// A Binary is a program for one platform.
type Binary struct {
	Platform v1.Platform
	Content  []byte
}

// Compile compiles the program for each platform.
func (p Program) Compile(ctx context.Context, platforms []v1.Platform) ([]Binary, error) {
	dir, err := os.MkdirTemp("", "slipway-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	env := p.Env
	if env == nil {
		env = os.Environ()
	}
	var list []Binary
	for _, platform := range platforms {
		out := filepath.Join(dir, platform.Architecture+platform.Variant)
		args := slices.Concat([]string{"build"}, BuildFlags(), p.Flags, []string{"-o", out, "./" + p.Package})
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Stderr = p.Root, os.Stderr
		cmd.Env = slices.Concat(env, Env(platform))
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("building %s for %s: %w", p.Package, platform, err)
		}
		content, err := os.ReadFile(out)
		if err != nil {
			return nil, err
		}
		list = append(list, Binary{Platform: platform, Content: content})
	}
	return list, nil
}

// Env returns the settings of Go for a platform.
func Env(p v1.Platform) []string {
	env := checkout.PlatformEnv(p.OS, p.Architecture)
	if p.Architecture == "arm" && p.Variant != "" {
		env = append(env, "GOARM="+strings.TrimPrefix(p.Variant, "v"))
	}
	return env
}
