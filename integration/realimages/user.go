package realimages

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/moby/buildkit/client"

	"slipway/builder"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// nobodyID is the id of user nobody and its group, with which rootless builds run.
const nobodyID = "65534"

// asNobody is a shell script that runs a program as user nobody. The ranges of subordinate ids
// come from the file $0. Only the program and its children see this file as /etc/subuid and
// /etc/subgid.
const asNobody = `mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && ` +
	`exec setpriv --reuid ` + nobodyID + ` --regid ` + nobodyID + ` --clear-groups "$@"`

// A User runs the program slipway as user nobody.
type User struct {
	program string
	dir     string // directory that user nobody can read
	home    string // home directory of user nobody
}

// NewUser compiles slipway and prepares a home directory. It needs root. The caller must call
// Close.
func NewUser(ctx context.Context, log io.Writer) (_ *User, err error) {
	if err := rig.EnsurePackages(ctx, log, "uidmap"); err != nil {
		return nil, err
	}
	root, err := toolbox.Root()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-user-")
	if err != nil {
		return nil, err
	}
	u := &User{program: filepath.Join(dir, "slipway"), dir: dir, home: filepath.Join(dir, "home")}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.Close())
		}
	}()
	err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(u.home, 0o700), os.Chown(u.home, 65534, 65534),
		os.WriteFile(filepath.Join(dir, "ids"), []byte(nobodyID+":500000:65536\n"), 0o644))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", u.program, "./cmd/slipway")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile slipway: %w\n%s", err, out)
	}
	return u, nil
}

// Close removes all files of the user, including files that belong to its subordinate ids.
func (u *User) Close() error { return os.RemoveAll(u.dir) }

// Solve runs a build as user nobody. The options opt must have exactly one output, an OCI
// archive.
func (u *User) Solve(ctx context.Context, opt builder.Options) (err error) {
	dir, err := os.MkdirTemp(u.home, "build-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args, err := u.prepare(ctx, dir, opt)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", asNobody, filepath.Join(u.dir, "ids")}, args...)...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	progress, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	message := forwardProgress(progress, opt.Status)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, message)
	}
	return os.Rename(filepath.Join(dir, "image.tar"), opt.Outputs[0].Dest)
}

// prepare copies the inputs of a build to dir, because user nobody may not be able to read the
// originals. It returns the arguments of the build command.
func (u *User) prepare(ctx context.Context, dir string, opt builder.Options) ([]string, error) {
	args := []string{
		u.program, "build", "--runner", "namespace", "--progress", "rawjson", "--state", filepath.Join(u.home, "state"),
		"-o", "type=oci,dest=image.tar", "-f", "Dockerfile",
	}
	sources := map[string]string{"Dockerfile": opt.File, "context": opt.Context}
	for name, source := range opt.Contexts {
		sources["context-"+name] = source
		args = append(args, "--build-context", name+"=context-"+name)
	}
	for name, source := range sources {
		if _, err := output(ctx, "cp", "-a", source+linkSuffix(source), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	for id, data := range opt.Secrets {
		if err := os.WriteFile(filepath.Join(dir, "secret-"+id), data, 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--secret", "id="+id+",src=secret-"+id)
	}
	for key, v := range opt.BuildArgs {
		args = append(args, "--build-arg", key+"="+v)
	}
	for host, mirror := range opt.Mirrors {
		args = append(args, "--mirror", host+"=http://"+mirror)
	}
	_, err := output(ctx, "chown", "-R", nobodyID+":"+nobodyID, dir)
	return append(args, "context"), err
}

// linkSuffix returns the suffix that must be added to the path source, so that cp copies a
// directory instead of a symbolic link to it. The suffix is "/." if source is a directory, and
// otherwise "".
func linkSuffix(source string) string {
	if info, err := os.Stat(source); err == nil && info.IsDir() {
		return "/."
	}
	return ""
}

// forwardProgress passes each progress report from r to the callback. It returns the text that
// follows the reports, which is the error message of the build.
func forwardProgress(r io.Reader, status func(*client.SolveStatus)) []byte {
	all, err := io.ReadAll(r)
	if err != nil {
		return []byte(err.Error())
	}
	dec := json.NewDecoder(bytes.NewReader(all))
	for {
		at := dec.InputOffset()
		var s client.SolveStatus
		if err := dec.Decode(&s); err != nil {
			return bytes.TrimSpace(all[at:])
		}
		status(&s)
	}
}
