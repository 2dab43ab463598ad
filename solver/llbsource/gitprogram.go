package llbsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/util/gitutil"

	"slipway/internal/oneline"
)

// gitProgram runs the git program of this machine on a repository in a temporary directory. It is
// needed only for what go-git does not implement: SHA-256 hashes, and files that git converts.
//
// The program reads no configuration of the machine or the user, and runs no hooks or filters.
type gitProgram struct {
	cli *gitutil.GitCLI
	dir string // contains the repository and its files
}

const (
	programRepo  = "repository"
	programFiles = "files"
)

// newGitProgram creates an empty repository in a new directory below temp, which the caller must
// remove with close. The parameter why completes the error that the machine has no git program.
func newGitProgram(ctx context.Context, temp, why, objectFormat string, opts ...gitutil.Option) (*gitProgram, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, fmt.Errorf("%s requires the git program (install git, or choose a BuildKit daemon with --builder)", why)
	}
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(temp, "git-")
	if err != nil {
		return nil, err
	}
	p := &gitProgram{dir: dir}
	repo := filepath.Join(dir, programRepo)
	opts = append(opts, gitutil.WithGitDir(repo), gitutil.WithArgs("-c", "core.hooksPath="+os.DevNull))
	p.cli = gitutil.NewGitCLI(opts...)
	for _, name := range []string{repo, filepath.Join(dir, programFiles)} {
		if err := os.Mkdir(name, 0o700); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	if _, err := p.run(ctx, "-c", "init.defaultBranch=main", "init", "--quiet", "--bare", "--template=", "--object-format="+objectFormat); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *gitProgram) close() error { return os.RemoveAll(p.dir) }

// run runs a git command and returns its output. An error contains the last message of git.
func (p *gitProgram) run(ctx context.Context, args ...string) (string, error) {
	out, err := p.cli.Run(ctx, args...)
	return string(out), programError(ctx, err)
}

// programError converts an error of the git program to one line.
func programError(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	lines := strings.Split(err.Error(), "\n")
	for _, line := range lines {
		if message, ok := strings.CutPrefix(line, "fatal: "); ok {
			return fmt.Errorf("git: %s", oneline.Excerpt(message))
		}
	}
	return fmt.Errorf("git: %s", oneline.Excerpt(err.Error()))
}

// checkOut writes the files of a commit to the directory for files.
func (p *gitProgram) checkOut(ctx context.Context, commit string) error {
	cli := p.cli.New(gitutil.WithWorkTree(filepath.Join(p.dir, programFiles)))
	_, err := cli.Run(ctx, "checkout", "--quiet", "--no-overlay", commit, "--", ".")
	return programError(ctx, err)
}

// addPack adds the objects of a pack to the repository. The pack contains the given commit, but not
// necessarily its history.
func (p *gitProgram) addPack(ctx context.Context, pack *gitPack, commit string) error {
	repo := filepath.Join(p.dir, programRepo)
	info, err := pack.file.Stat()
	if err != nil {
		return err
	}
	name := filepath.Join(repo, "objects", "pack", "pack-"+commit+".pack")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.NewSectionReader(pack.file, 0, info.Size()))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(repo, "shallow"), []byte(commit+"\n"), 0o600); err != nil {
		return err
	}
	_, err = p.run(ctx, "index-pack", name)
	return err
}

// remoteOptions returns options with which the git program has access to the remote of a source:
// its credentials, its SSH agent, and the time limit for a server that sends nothing. The caller
// must call release after the last use of the options.
func (s *Sources) remoteOptions(ctx context.Context, o *gitOptions) (_ []gitutil.Option, release func() error, err error) {
	release = func() error { return nil }
	var config []string
	if s.Stall > 0 {
		config = append(config, "http.lowSpeedLimit", "1", "http.lowSpeedTime", strconv.Itoa(int(s.Stall/time.Second)))
	}
	auth, err := s.gitAuth(ctx, o, o.remote)
	if err != nil {
		return nil, release, err
	}
	if header, ok := auth.(*gitHeader); ok {
		config = append(config, "http."+tokenScope(o.remote)+".extraheader", "Authorization: "+header.value)
	}
	opts := []gitutil.Option{gitutil.WithExec(func(ctx context.Context, cmd *exec.Cmd) error {
		cmd.Env = append(cmd.Env, configEnv(config)...)
		return runProgram(ctx, cmd)
	})}
	if u, err := gitutil.ParseURL(o.remote); err != nil || u.Scheme != gitutil.SSHProtocol {
		return opts, release, err
	}
	socket, ok, err := s.agent(ctx, o.agent)
	switch {
	case err != nil:
		return nil, release, err
	case !ok:
		return nil, release, fmt.Errorf("git over SSH: no SSH key %q forwarded from the client (forward an agent or a key: --ssh %s)", o.agent, o.agent)
	case o.hosts == "":
		return nil, release, errNoHosts
	}
	file, err := hostsFile(o.hosts)
	if err != nil {
		return nil, release, err
	}
	release = func() error { return os.Remove(file) }
	return append(opts, gitutil.WithSSHAuthSock(socket), gitutil.WithSSHKnownHosts(file)), release, nil
}

// configEnv returns the variables that pass configuration to git. Unlike arguments, they cannot be
// read by other users. The parameter config contains keys, each followed by its value.
func configEnv(config []string) []string {
	const pair = 2
	env := []string{fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(config)/pair)}
	for i := 0; i < len(config); i += pair {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i/pair, config[i]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i/pair, config[i+1]))
	}
	return env
}
