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

// column is a builder configuration, such as the rootless namespace runner. It is one column of
// the printed table of privileges.
type column struct {
	name       string
	runner     string   // runner of slipway build; "" for buildkitd
	flags      []string // further flags of slipway build
	user       user
	jobPrefix  string // prefix of the jobs that the builder can run
	skippedJob string // name of a job that the builder does not run
}

// user is a kind of user that runs slipway build: root, an ordinary user with a range of
// subordinate IDs, or an ordinary user without subordinate IDs.
type user int

const (
	root         user = iota
	subIDUser         // an ordinary user with a range of IDs in /etc/subuid
	singleIDUser      // an ordinary user with a single ID
)

// referenceColumn returns the configuration of buildkitd. All other configurations are
// compared with it.
func referenceColumn() column { return column{name: "buildkitd", skippedJob: "race"} }

// columns returns the configurations of slipway build with which the probes run. To test a new
// runner, add its configuration to the result.
func columns() []column {
	return []column{
		{name: "root", runner: "namespace"},
		{name: "rootless", runner: "namespace", user: subIDUser},
		{name: "rootless, one id", runner: "namespace", user: singleIDUser},
		{name: "oci", runner: "oci", skippedJob: "race"},
		{name: "oci rootless", runner: "oci", user: subIDUser, skippedJob: "race"},
		{name: "oci, one id", runner: "oci", user: singleIDUser, skippedJob: "race"},
		{name: "chroot", runner: "chroot", flags: []string{"--unisolated", "network"}, skippedJob: "race"},
		{name: "portable", runner: "portable", user: singleIDUser, jobPrefix: "script"},
	}
}

// User and group id of user nobody, which the probes use as the ordinary user.
const nobody = 65534

// asNobody is a shell script that runs a program as user nobody. The ranges of subordinate ids
// come from the file $0. Only the program and its children see this file as /etc/subuid and
// /etc/subgid.
const asNobody = `mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && ` +
	`exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`

// site contains the resources on the host for the builds with one builder configuration.
type site struct {
	*machine
	column
	host  string // directory that no build may read or change
	agent *agent
}

// command returns a command that builds the Dockerfile and the context in dir with this builder
// configuration. The command writes its progress to standard error, in JSON.
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
	args = append(args, s.flags...)
	args = append(args, "--ssh", "default="+s.agent.path, "--secret", "id=s,src="+s.secretFile)
	switch s.user {
	case subIDUser:
		args = append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", asNobody, filepath.Join(s.dir, "ids")}, args...)
	case singleIDUser:
		args = append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", asNobody, filepath.Join(s.dir, "no-ids")}, args...)
	case root:
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = []string{ // no step may see a variable except PATH
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.home(), "TMPDIR=" + s.home(), "SLIPWAY_PROBE_PLANTED=secret",
		"AWS_SECRET_ACCESS_KEY=secret", "SSH_AUTH_SOCK=" + s.agent.path,
	}
	return cmd
}

// slug returns the name of the builder configuration, sanitized for file names and image tags.
func (c column) slug() string { return strings.NewReplacer(" ", "-", ",", "").Replace(c.name) }

// home returns the home directory of the user that runs the builder.
func (s *site) home() string { return filepath.Join(s.dir, s.slug()) }

// program returns the path of the slipway program that runs the builds. Each builder
// configuration has its own copy, because probes try to change the program.
func (s *site) program() string { return filepath.Join(s.home(), "slipway") }

// state returns the state directory of the builder.
func (s *site) state() string {
	if s.runner == "" {
		return s.rig.Daemon.Dir
	}
	return filepath.Join(s.home(), "state")
}

// newSite creates the resources of a builder configuration and pushes the base images for it.
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

// canary is the initial content of the file "canary" in the host directory of each builder
// configuration. Probes try to change this file.
const canary = "canary\n"

// restoreHost undoes the changes of probes in the host directory of the builder configuration,
// which probes must not be able to change. The result contains the names of the changed files.
func (s *site) restoreHost() ([]string, error) {
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

// restoreProgram resets the mode of the slipway program that runs the builds. It reports
// whether a probe had changed the mode.
func (s *site) restoreProgram() (bool, error) {
	info, err := os.Stat(s.program())
	if err != nil || info.Mode() == 0o755 {
		return false, err
	}
	return true, os.Chmod(s.program(), 0o755)
}
