package kaniko

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/moby/buildkit/client"

	"slipway/builder"
	"slipway/integration/builds"
)

// Solver returns a function that runs the build with slipway kaniko instead of in this process. The
// parameter program is the path of slipway, and mirror the address of the registry with the base images.
func (b Build) Solver(program, mirror string) builds.Solver {
	return func(ctx context.Context, o builder.Options) error {
		dir := filepath.Join(filepath.Dir(o.Outputs[0].Dest), "layout")
		args := slices.Concat([]string{
			"kaniko", "--context=dir://" + o.Context, "--dockerfile=" + o.File, "--no-push", "--oci-layout-path=" + dir,
			"--registry-mirror=" + mirror, "--state=" + o.State, "--runner=" + o.Runner, "--progress=rawjson",
		}, b.Flags)
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = os.Environ()
		for _, k := range slices.Sorted(maps.Keys(b.Env)) {
			cmd.Env = append(cmd.Env, k+"="+b.Env[k])
		}
		var progress bytes.Buffer
		cmd.Stderr = &progress
		err := cmd.Run()
		other, parseErr := report(&progress, o.Status)
		if err = errors.Join(err, parseErr); err != nil {
			return fmt.Errorf("slipway kaniko: %w\n%s", err, other)
		}
		return pack(dir, o.Outputs[0].Dest)
	}
}

// report calls status for each line of the progress that is a status in JSON. It returns the other lines.
func report(progress io.Reader, status func(*client.SolveStatus)) (other []byte, err error) {
	lines := bufio.NewScanner(progress)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var s client.SolveStatus
		if json.Unmarshal(lines.Bytes(), &s) == nil {
			status(&s)
			continue
		}
		other = append(append(other, lines.Bytes()...), '\n')
	}
	return other, lines.Err()
}

// pack writes the files below dir to a tar archive.
func pack(dir, archive string) error {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	return errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), f.Close())
}
