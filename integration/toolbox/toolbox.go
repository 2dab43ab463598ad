package toolbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A tool is a program that can be built: a package, and the module that pins its version.
type tool struct {
	name   string // file name of the program in bin/tools
	module string // directory below integration/tools that contains the module
	pkg    string // import path of the main package, or of the package whose tests are built
	test   bool   // whether to build the test program of pkg
}

func tools() []tool {
	const buildkit = "github.com/moby/buildkit/"
	return []tool{
		{name: "buildkitd", module: "buildkit", pkg: buildkit + "cmd/buildkitd"},
		{name: "buildctl", module: "buildkit", pkg: buildkit + "cmd/buildctl"},
		{name: "buildkitd-2023", module: "buildkit-2023", pkg: buildkit + "cmd/buildkitd"},
		{name: "upstream-frontend", module: "buildkit", pkg: buildkit + "frontend/dockerfile/cmd/dockerfile-frontend"},
		{name: "upstream-suite", module: "buildkit", pkg: SuitePackage, test: true},
		{name: "upstream-client-suite", module: "buildkit", pkg: ClientSuitePackage, test: true},
		{name: "cachekeys", module: "buildkit", pkg: "./cachekeys"},
		{name: "example-buildkit0", module: "buildkit", pkg: buildkit + "examples/buildkit0"},
		{name: "example-buildkit1", module: "buildkit", pkg: buildkit + "examples/buildkit1"},
		{name: "example-buildkit3", module: "buildkit", pkg: buildkit + "examples/buildkit3"},
		{name: "example-buildkit4", module: "buildkit", pkg: buildkit + "examples/buildkit4"},
		{name: "registry", module: "registry", pkg: "./registry"},
		{name: "buildx", module: "buildx", pkg: "github.com/docker/buildx/cmd/buildx"},
		{name: "docker-compose", module: "compose", pkg: "github.com/docker/compose/v5/cmd"},
		{name: "golangci-lint", module: "lint", pkg: "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"},
		{name: "gofumpt", module: "lint", pkg: "mvdan.cc/gofumpt"},
		{name: "manifest", module: "manifest", pkg: "./manifest"},
		{name: "nfpm", module: "nfpm", pkg: "github.com/goreleaser/nfpm/v2/cmd/nfpm"},
	}
}

// SuitePackage is the import path of BuildKit's own Dockerfile tests. The tool "upstream-suite"
// is the test program of this package.
const SuitePackage = "github.com/moby/buildkit/frontend/dockerfile"

// ClientSuitePackage is the import path of BuildKit's own tests of its client and of the
// builder. Tool "upstream-client-suite" is their test program.
const ClientSuitePackage = "github.com/moby/buildkit/client"

// Names returns the names of all tools, sorted.
func Names() []string {
	var names []string
	for _, t := range tools() {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}

// Root returns the root directory of this repository. It is the nearest directory, from the
// working directory upwards, whose go.mod declares module slipway. If none exists, Root
// returns an error.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module slipway\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("the working directory is not inside the slipway repository")
		}
		dir = up
	}
}

// Path returns the absolute path of a tool. If the tool is missing or out of date, Path builds
// it and reports this in a line of the log. It returns an error if the name is unknown or the
// build fails. Safe for concurrent use, also by several processes.
func Path(ctx context.Context, log io.Writer, name string) (string, error) {
	i := slices.IndexFunc(tools(), func(t tool) bool { return t.name == name })
	if i < 0 {
		return "", fmt.Errorf("unknown tool %q, want one of %s", name, strings.Join(Names(), ", "))
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "bin", "tools")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "."+name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	return tools()[i].ensure(ctx, log, root, dir)
}

// ModuleDir returns the source directory of package pkg in the module cache, at the version
// that integration/tools/buildkit pins.
func ModuleDir(ctx context.Context, pkg string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", pkg)
	cmd.Dir = filepath.Join(root, "integration", "tools", "buildkit")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go list %s: %w", pkg, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (t tool) ensure(ctx context.Context, log io.Writer, root, dir string) (string, error) {
	module := filepath.Join(root, "integration", "tools", t.module)
	bin, stampFile := filepath.Join(dir, t.name), filepath.Join(dir, "."+t.name+".stamp")
	want, err := t.stamp(ctx, module)
	if err != nil {
		return "", err
	}
	have, err := os.ReadFile(stampFile)
	if _, errBin := os.Stat(bin); err == nil && errBin == nil && string(have) == want {
		return bin, nil
	}
	fmt.Fprintf(log, "building %s from %s\n", t.name, t.pkg)
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", bin, t.pkg}
	if t.test {
		args = []string{"test", "-c", "-trimpath", "-ldflags", "-s -w", "-o", bin, t.pkg}
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building %s: %w", t.name, err)
	}
	return bin, os.WriteFile(stampFile, []byte(want), 0o644)
}

// stamp returns a digest of everything that determines the content of the tool's binary:
// the pinned versions, the build flags and the version of Go.
func (t tool) stamp(ctx context.Context, module string) (string, error) {
	h := sha256.New()
	files := []string{filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")}
	if strings.HasPrefix(t.pkg, "./") { // the source of this tool is in this repository
		own, err := filepath.Glob(filepath.Join(module, t.pkg, "*.go"))
		if err != nil {
			return "", err
		}
		files = append(files, own...)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Dir = module
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	fmt.Fprintf(h, "%s %+v", out, t)
	return fmt.Sprintf("%x\n", h.Sum(nil)), nil
}

// lock takes an exclusive lock on the file at path, so that only one process at a time builds a
// tool.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
