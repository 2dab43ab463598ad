//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// column is a builder that runs the probes.
type column struct {
	name   string
	runner string // runner of slipway build; "" is buildkitd
	user   user
	only   string // prefix of the names of the jobs that it can run
	not    string // name of a job that it does not run
}

// user is the kind of user that runs slipway build.
type user int

const (
	root   user = iota
	ranged      // an ordinary user with a range of IDs in /etc/subuid
	single      // an ordinary user with a single ID
)

// referenceColumn returns the builder with which the others are compared.
func referenceColumn() column { return column{name: "buildkitd", not: "race"} }

// columns returns the configurations of slipway build. A new runner only needs a line
// here.
func columns() []column {
	return []column{
		{name: "root", runner: "namespace"},
		{name: "rootless", runner: "namespace", user: ranged},
		{name: "rootless, one id", runner: "namespace", user: single},
		{name: "oci", runner: "oci", not: "race"},
		{name: "oci rootless", runner: "oci", user: ranged, not: "race"},
		{name: "oci, one id", runner: "oci", user: single, not: "race"},
		{name: "portable", runner: "portable", user: single, only: "script"},
	}
}

// The ID of the user nobody, an ordinary user, and of its group.
const nobody = 65534

// asNobody is a script that runs a program as the user nobody. The range of subordinate IDs
// comes from a file that only the program and its children see.
const asNobody = `mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && ` +
	`exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`

// site holds the resources of one column.
type site struct {
	*machine
	column
	host  string // directory that no build may read or change
	agent *agent
}

// command returns the command of a build with the Dockerfile and the context in dir.
// Progress is written to standard error as JSON.
func (s *site) command(ctx context.Context, dir string) *exec.Cmd {
	args := []string{
		s.program(), "build", "--runner", s.runner, "--progress", "rawjson", "--state", s.state(),
		"--mirror", "docker.io=http://" + s.rig.Addr, dir,
	}
	if s.runner == "" {
		args = []string{
			s.rig.Buildctl, "--addr", s.rig.Socket, "build", "--frontend", "dockerfile.v0", "--progress", "rawjson",
			"--local", "context=" + dir, "--local", "dockerfile=" + dir,
		}
	}
	args = append(args, "--ssh", "default="+s.agent.path, "--secret", "id=s,src="+s.secretFile)
	switch s.user {
	case ranged:
		args = append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", asNobody, filepath.Join(s.dir, "ids")}, args...)
	case single:
		args = append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", asNobody, filepath.Join(s.dir, "no-ids")}, args...)
	case root:
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = []string{ // a step must not see any of these
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.home(), "TMPDIR=" + s.home(), "SLIPWAY_PROBE_PLANTED=secret",
		"AWS_SECRET_ACCESS_KEY=secret", "SSH_AUTH_SOCK=" + s.agent.path,
	}
	return cmd
}

// slug returns the name of a column for files and tags.
func (c column) slug() string { return strings.NewReplacer(" ", "-", ",", "").Replace(c.name) }

// home returns the home directory of the column's user.
func (s *site) home() string { return filepath.Join(s.dir, s.slug()) }

// program returns the path of the column's own copy of slipway.
func (s *site) program() string { return filepath.Join(s.home(), "slipway") }

// state returns the directory in which the builder stores data.
func (s *site) state() string {
	if s.runner == "" {
		return s.rig.Daemon.Dir
	}
	return filepath.Join(s.home(), "state")
}

// newSite prepares the resources of a column.
func (m *machine) newSite(ctx context.Context, c column) (*site, error) {
	s := &site{machine: m, column: c, host: filepath.Join(m.dir, "host-"+c.slug())}
	owner := 0
	if c.user != root {
		owner = nobody
	}
	slipway, err := os.ReadFile(filepath.Join(m.dir, "slipway"))
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.Mkdir(s.host, 0o755), os.Chmod(s.host, 0o777), os.Mkdir(s.home(), 0o700),
		os.WriteFile(filepath.Join(s.host, "canary"), []byte(canary), 0o644),
		os.WriteFile(filepath.Join(s.host, "passwd"), []byte("canary:x:0:0::/:/bin/sh\n"), 0o644), os.WriteFile(s.program(), slipway, 0o755),
		os.Chown(s.home(), owner, owner), os.Chown(s.program(), owner, owner))
	if err != nil {
		return nil, err
	}
	if s.agent, err = newAgent(filepath.Join(m.dir, c.slug()+".sock")); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.stop = append(m.stop, s.agent.listener.Close)
	m.mu.Unlock()
	return s, s.pushImages(ctx)
}

// canary is the content of a file in the host directory.
const canary = "canary\n"

// restore returns the changes of a job to the host directory, and reverts them.
func (s *site) restore() ([]string, error) {
	var changed []string
	list, err := os.ReadDir(s.host)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if d.Name() == "canary" || d.Name() == "passwd" {
			continue
		}
		changed = append(changed, d.Name())
		if err := os.RemoveAll(filepath.Join(s.host, d.Name())); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(s.host, "canary")
	if content, err := os.ReadFile(file); err != nil || string(content) != canary {
		changed = append(changed, "canary")
		return changed, os.WriteFile(file, []byte(canary), 0o644)
	}
	return changed, nil
}

// damaged reports whether a job changed the mode of the builder's program, and restores
// the mode.
func (s *site) damaged() (bool, error) {
	info, err := os.Stat(s.program())
	if err != nil || info.Mode() == 0o755 {
		return false, err
	}
	return true, os.Chmod(s.program(), 0o755)
}
