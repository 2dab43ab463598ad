package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// source is the commit of which a release is made.
type source struct {
	root    string // directory of the repository
	version string // such as 1.2.3
	commit  string
	time    time.Time // of the commit, in UTC
	env     []string  // of commands that compile
}

// openSource checks that the repository at root can make the given version. The work tree must
// be clean, and neither dist/VERSION nor the tag of the version at another commit may exist.
func openSource(ctx context.Context, root, version string) (*source, error) {
	if version == "" {
		return nil, errors.New("VERSION is not set (use make release VERSION=1.2.3)")
	}
	if v := "v" + version; semver.Canonical(v) != v {
		return nil, fmt.Errorf("VERSION %q: not a version (use MAJOR.MINOR.PATCH, such as 1.2.3 or 1.2.3-rc.1)", version)
	}
	s := &source{root: root, version: version}
	if _, err := os.Lstat(s.dist()); err == nil {
		return nil, fmt.Errorf("dist/%s: already exists (remove it to make the release again)", version)
	}
	if err := s.checkGo(); err != nil {
		return nil, err
	}
	if err := s.checkCommit(ctx); err != nil {
		return nil, err
	}
	env, err := cleanEnv(ctx, root)
	s.env = env
	return s, err
}

// dist returns the directory of the release.
func (s *source) dist() string { return filepath.Join(s.root, "dist", s.version) }

// checkGo checks that this program was compiled with the version of Go in go.mod, which the go
// command then uses, too.
func (s *source) checkGo() error {
	data, err := os.ReadFile(filepath.Join(s.root, "go.mod"))
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
		return fmt.Errorf("Go is %s, but go.mod says %s (set GOTOOLCHAIN=%s)", runtime.Version(), want, want)
	}
	return nil
}

// checkCommit sets the commit and its time. It returns an error if the work tree is not clean, or
// if the tag of the version exists at another commit.
func (s *source) checkCommit(ctx context.Context) error {
	status, err := s.git(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if first, _, _ := strings.Cut(status, "\n"); first != "" {
		return fmt.Errorf("the work tree differs from its commit: %s (commit, stash or remove the changes)", strings.TrimSpace(first))
	}
	if s.commit, err = s.git(ctx, "rev-parse", "HEAD"); err != nil {
		return err
	}
	tag := "v" + s.version
	if at, err := s.git(ctx, "rev-parse", "-q", "--verify", "refs/tags/"+tag+"^{commit}"); err == nil && at != s.commit {
		return fmt.Errorf("tag %s: exists at commit %.12s, but this is %.12s (check out the tag, or choose another version)", tag, at, s.commit)
	}
	seconds, err := s.git(ctx, "show", "-s", "--format=%ct", "HEAD")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("time of commit %s: %w", s.commit, err)
	}
	s.time = time.Unix(n, 0).UTC()
	return nil
}

// git runs git in the repository. It returns the output without trailing newlines.
func (s *source) git(ctx context.Context, args ...string) (string, error) {
	out, err := output(exec.CommandContext(ctx, "git", append([]string{"-C", s.root}, args...)...))
	return strings.TrimRight(string(out), "\n"), err
}

// cleanEnv returns the environment without the variables of Go that could change what is
// compiled. Those that say where modules come from, and where caches are, stay.
func cleanEnv(ctx context.Context, root string) ([]string, error) {
	keep := []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH"}
	cmd := exec.CommandContext(ctx, "go", append([]string{"env"}, keep...)...)
	cmd.Dir = root
	out, err := output(cmd)
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

// output runs cmd and returns its standard output. An error contains standard error.
func output(cmd *exec.Cmd) ([]byte, error) {
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(diagnostics.Bytes()))
	}
	return out.Bytes(), nil
}
