package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"slipway/integration/checkout"
)

// program is the package of the released program.
const program = "./cmd/slipway"

// buildTags are the build tags of the released program, as in `make build`.
const buildTags = "grpcnotrace"

// compile compiles the program for t, or for this machine if t is the zero target, to the file
// out.
func (r *release) compile(ctx context.Context, t target, tags, out string) error {
	var env []string
	if t == (target{}) {
		env = []string{"CGO_ENABLED=0"}
	} else {
		env = t.env()
	}
	flags := fmt.Sprintf("-s -w -X main.releaseVersion=v%s -X main.releaseCommit=%s", r.Version, r.Commit)
	_, err := checkout.Output(r.Go(ctx, env, "build", "-tags", tags, "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", flags, "-o", out, program))
	return err
}

// shells maps the shells for which completions exist to the names of the files.
func shells() map[string]string {
	return map[string]string{"bash": "slipway.bash", "zsh": "_slipway", "fish": "slipway.fish", "powershell": "slipway.ps1"}
}

// manual returns the manual pages and the completions. They come from the program itself,
// compiled with the command that writes the pages.
func (r *release) manual(ctx context.Context, tmp string) ([]file, error) {
	bin, pages := filepath.Join(tmp, "manual"), filepath.Join(tmp, "man")
	if err := r.compile(ctx, target{}, buildTags+",manpages", bin); err != nil {
		return nil, err
	}
	if err := os.Mkdir(pages, 0o755); err != nil {
		return nil, err
	}
	// Defaults of flags must not depend on the user.
	env := []string{"HOME=/home/user", "TZ=UTC", "LC_ALL=C"}
	cmd := exec.CommandContext(ctx, bin, "manpages", "--time", strconv.FormatInt(r.Time.Unix(), 10), pages)
	cmd.Env = env
	if _, err := checkout.Output(cmd); err != nil {
		return nil, err
	}
	list, err := os.ReadDir(pages)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(pages, e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "man/" + e.Name(), data: data})
	}
	for shell, name := range shells() {
		cmd := exec.CommandContext(ctx, bin, "completion", shell)
		cmd.Env = env
		out, err := checkout.Output(cmd)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "completions/" + name, data: out})
	}
	return files, nil
}
