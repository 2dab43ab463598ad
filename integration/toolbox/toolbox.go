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

// A tool is a program with the module that pins it and the package that it is
// built from.
type tool struct {
	name   string // file name in bin/tools
	module string // directory under integration/tools with go.mod
	pkg    string // import path of the main package, or of the tests
	test   bool   // build the tests of pkg instead of pkg itself
}

func tools() []tool {
	const buildkit = "github.com/moby/buildkit/"
	return []tool{
		{name: "buildkitd", module: "buildkit", pkg: buildkit + "cmd/buildkitd"},
		{name: "buildctl", module: "buildkit", pkg: buildkit + "cmd/buildctl"},
		{name: "buildkitd-2023", module: "buildkit-2023", pkg: buildkit + "cmd/buildkitd"},
		{name: "upstream-frontend", module: "buildkit", pkg: buildkit + "frontend/dockerfile/cmd/dockerfile-frontend"},
		{name: "upstream-suite", module: "buildkit", pkg: SuitePackage, test: true},
		{name: "cachekeys", module: "buildkit", pkg: "./cachekeys"},
		{name: "registry", module: "registry", pkg: "github.com/distribution/distribution/v3/cmd/registry"},
		{name: "buildx", module: "buildx", pkg: "github.com/docker/buildx/cmd/buildx"},
		{name: "golangci-lint", module: "lint", pkg: "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"},
		{name: "gofumpt", module: "lint", pkg: "mvdan.cc/gofumpt"},
	}
}

// SuitePackage is the import path of BuildKit's own Dockerfile tests, from
// which tool "upstream-suite" is built.
const SuitePackage = "github.com/moby/buildkit/frontend/dockerfile"

// Names returns the names of all tools, sorted.
func Names() []string {
	var names []string
	for _, t := range tools() {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}

// Root returns the root of this repository: the nearest directory at or above
// the working directory whose go.mod declares module slipway. It returns an
// error if there is no such directory.
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

// Path returns the absolute path of the named tool. It builds the tool if it is
// missing or out of date, and writes a line about each build to log. Unknown
// names and failed builds are errors.
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

// ModuleDir returns the directory with the source of pkg, at the version to
// which the buildkit tools are pinned.
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

// stamp returns a digest of everything that determines the binary of the tool:
// its pinned versions, its build flags and the version of Go.
func (t tool) stamp(ctx context.Context, module string) (string, error) {
	h := sha256.New()
	files := []string{filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")}
	if strings.HasPrefix(t.pkg, "./") { // a program of ours
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

// lock prevents concurrent processes from building the same tool.
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
