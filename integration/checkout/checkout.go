// Package checkout opens the commit from which a release or an image is made. It runs the go
// command so that what it compiles depends only on the commit: not on the directory, the user, or
// the settings of Go.
package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// A Source is a commit whose files are in the work tree.
type Source struct {
	Root     string // directory of the repository
	Version  string // such as 1.2.3
	Commit   string
	Time     time.Time // of the commit, in UTC
	Modified bool      // whether the work tree differs from the commit
	env      []string  // of commands that compile
}

// Open returns the source of the given version in the repository at root. The work tree must be
// clean, the tag of the version must not exist at another commit, and this program must have been
// compiled with the version of Go in go.mod.
func Open(ctx context.Context, root, version string) (*Source, error) {
	if version == "" {
		return nil, errors.New("VERSION is not set (use make release VERSION=1.2.3)")
	}
	if v := "v" + version; semver.Canonical(v) != v {
		return nil, fmt.Errorf("VERSION %q: not a version (use MAJOR.MINOR.PATCH, such as 1.2.3 or 1.2.3-rc.1)", version)
	}
	s := &Source{Root: root, Version: version}
	if err := s.checkGo(); err != nil {
		return nil, err
	}
	status, err := s.readCommit(ctx)
	if err != nil {
		return nil, err
	}
	if status != "" {
		return nil, fmt.Errorf("the work tree differs from its commit: %s (commit, stash or remove the changes)", status)
	}
	if err := s.checkTag(ctx); err != nil {
		return nil, err
	}
	s.env, err = cleanEnv(ctx, root)
	return s, err
}

// UnreleasedVersion is the version of a Source that is no release.
const UnreleasedVersion = "0.0.0-devel"

// OpenUnreleased returns the source in the repository at root, whatever its state is.
func OpenUnreleased(ctx context.Context, root string) (*Source, error) {
	s := &Source{Root: root, Version: UnreleasedVersion}
	status, err := s.readCommit(ctx)
	if err != nil {
		return nil, err
	}
	s.Modified = status != ""
	s.env, err = cleanEnv(ctx, root)
	return s, err
}

// checkGo checks that this program was compiled with the version of Go in go.mod, which the go
// command then uses, too.
func (s *Source) checkGo() error {
	data, err := os.ReadFile(filepath.Join(s.Root, "go.mod"))
	if err != nil {
		return err
	}
	mod, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return err
	}
	if mod.Go == nil {
		return errors.New("go.mod: has no go line")
	}
	if want := "go" + mod.Go.Version; runtime.Version() != want {
		return fmt.Errorf("wrong version of Go: %s, but go.mod says %s (set GOTOOLCHAIN=%s)", runtime.Version(), want, want)
	}
	return nil
}

// readCommit sets the commit and its time. It returns the first change of the work tree, or "".
func (s *Source) readCommit(ctx context.Context) (change string, err error) {
	status, err := s.git(ctx, "status", "--porcelain")
	if err != nil {
		return "", err
	}
	if s.Commit, err = s.git(ctx, "rev-parse", "HEAD"); err != nil {
		return "", err
	}
	seconds, err := s.git(ctx, "show", "-s", "--format=%ct", "HEAD")
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return "", fmt.Errorf("time of commit %s: %w", s.Commit, err)
	}
	s.Time = time.Unix(n, 0).UTC()
	change, _, _ = strings.Cut(status, "\n")
	return strings.TrimSpace(change), nil
}

// checkTag returns an error if the tag of the version exists at another commit.
func (s *Source) checkTag(ctx context.Context) error {
	tag := "v" + s.Version
	at, err := s.git(ctx, "rev-parse", "-q", "--verify", "refs/tags/"+tag+"^{commit}")
	if err == nil && at != s.Commit {
		return fmt.Errorf("tag %s: exists at commit %.12s, but this is %.12s (check out the tag, or choose another version)", tag, at, s.Commit)
	}
	return nil
}

// git runs git in the repository. It returns the output without trailing newlines.
func (s *Source) git(ctx context.Context, args ...string) (string, error) {
	out, err := Output(exec.CommandContext(ctx, "git", append([]string{"-C", s.Root}, args...)...))
	return strings.TrimRight(string(out), "\n"), err
}

// cleanEnv returns the environment without the variables of Go that could change what is
// compiled. Those that say where modules come from, and where caches are, stay.
func cleanEnv(ctx context.Context, root string) ([]string, error) {
	keep := []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH"}
	cmd := exec.CommandContext(ctx, "go", append([]string{"env"}, keep...)...)
	cmd.Dir = root
	out, err := Output(cmd)
	if err != nil {
		return nil, err
	}
	env := []string{"GOENV=off", "GOWORK=off", "GOTOOLCHAIN=" + runtime.Version(), "TZ=UTC", "LC_ALL=C"}
	for i, value := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		env = append(env, keep[i]+"="+value)
	}
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if name == "GOMAXPROCS" || !strings.HasPrefix(name, "GO") && !strings.HasPrefix(name, "CGO_") && name != "TZ" && name != "LC_ALL" {
			env = append(env, e)
		}
	}
	return env, nil
}

// Output runs cmd and returns its standard output. An error contains standard error.
func Output(cmd *exec.Cmd) ([]byte, error) {
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(diagnostics.Bytes()))
	}
	return out.Bytes(), nil
}

// Go returns a go command in the repository, with the settings env in addition.
func (s *Source) Go(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = s.Root, s.Env(env...)
	return cmd
}

// Env returns the environment of a command that compiles, with the settings more in addition.
func (s *Source) Env(more ...string) []string { return slices.Concat(s.env, more) }

// PlatformEnv returns the settings of Go for a platform. They include the defaults of each
// architecture, so that the settings of the user have no effect.
func PlatformEnv(system, arch string) []string {
	return []string{
		"GOOS=" + system, "GOARCH=" + arch, "CGO_ENABLED=0",
		"GOAMD64=v1", "GOARM64=v8.0", "GOARM=7", "GOPPC64=power8", "GORISCV64=rva20u64",
	}
}
