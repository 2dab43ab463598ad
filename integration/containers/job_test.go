//go:build integration

package containers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"slipway/integration/baseimage"
	"slipway/integration/toolbox"
)

// secret is the content of the build secret, which no file may contain after a build.
const secret = "hush-a-secret-of-this-test"

// feature is a build that needs a certain privilege of the container. It is one column of the table.
type feature struct {
	name       string
	dockerfile string
	args       string // further arguments of slipway build
}

// features returns the builds of the job, in the order of the columns.
func features() []feature {
	return []feature{
		{"without RUN", "FROM base\nCOPY file /\n", ""},
		{"RUN", "FROM base\nCOPY file /\nRUN cat /file > /copy; rm /file\n", ""},
		{"other users", "FROM base\nRUN echo x > /f; chown 5:6 /f; chmod 4755 /f\nUSER 1000:1001\nRUN test $(id -u) = 1000; echo x > /tmp/of-user\n", ""},
		{"mounts", "FROM base\nRUN --mount=type=secret,id=s,required=true --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=bind,from=base,target=/b " +
			"set -e; test $(wc -c < /run/secrets/s) -gt 9; echo x > /c/x; echo x > /t/x; test -x /b/bin/sh; echo > /dev/null; rm -f /none/*\n", "--secret id=s,src=secret"},
		{"`--network=none`", "FROM base\nRUN --network=none echo x > /f\n", ""},
	}
}

// script is the program of the job. Its arguments are a directory for its files and the directory
// that contains the root file system of the container. Each build prints its number, its
// output, its exit code, and the digest of the image. The last line lists the files that contain
// the secret.
const script = `
cd $2/job
for n in $(ls builds); do
	echo "== build $n"
	slipway build --progress plain --state $1/state --build-context base=../base --build-arg SOURCE_DATE_EPOCH=1 $(cat builds/$n/args) \
		-o type=oci,rewrite-timestamp=true,dest=$1/$n.tar builds/$n 2>&1
	echo "== code $?"
	test ! -e $1/$n.tar || sha256sum < $1/$n.tar
done
echo "== leaked"
grep -rl ` + secret + ` $1
true
`

// writeRoot writes the root file system of the container, with the compiled slipway and the job, to
// the directory dir.
func writeRoot(dir string) error {
	for _, d := range []string{"bin", "etc", "tmp", "job/builds", "base/bin", "base/etc", "base/tmp", "proc", "dev", "sys", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{"job/secret": secret, "job/run": script}
	for _, at := range []string{"", "base/"} {
		files[at+"etc/passwd"] = "root:x:0:0::/root:/bin/sh\nme:x:1000:1001::/home/me:/bin/sh\n"
		files[at+"etc/group"] = "root:x:0:\nme:x:1001:\n"
	}
	for i, f := range features() {
		at := fmt.Sprintf("job/builds/%d/", i)
		files[at+"Dockerfile"], files[at+"args"], files[at+"file"] = f.dockerfile, f.args, "content\n"
	}
	for name, data := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, []byte(data), 0o644); err != nil {
			return err
		}
	}
	busybox, err := os.ReadFile(baseimage.Busybox)
	if err != nil {
		return err
	}
	for _, at := range []string{"", "base"} {
		if err := os.WriteFile(filepath.Join(dir, at, "bin", "busybox"), busybox, 0o755); err != nil {
			return err
		}
		for name := range strings.FieldsSeq("sh cat rm ls test wc echo chown chmod id grep sha256sum true sleep nc") {
			if err := os.Symlink("busybox", filepath.Join(dir, at, "bin", name)); err != nil {
				return err
			}
		}
		if err := os.Chmod(filepath.Join(dir, at, "tmp"), os.ModeSticky|0o777); err != nil {
			return err
		}
	}
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-C", root, "-o", filepath.Join(dir, "bin", "slipway"), "./cmd/slipway")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile slipway: %w\n%s", err, out)
	}
	return nil
}

// result is the outcome of one build of the job.
type result struct {
	output string
	built  bool
	digest string // of the image
}

// parse returns the results of the builds in the output of the job, and the files that contain
// the secret.
func parse(output string) (list []result, leaked string, err error) {
	builds, leaked, ok := strings.Cut(output, "== leaked\n")
	if !ok {
		return nil, "", fmt.Errorf("the job did not end:\n%s", output)
	}
	for _, text := range strings.Split(builds, "== build ")[1:] {
		text, rest, _ := strings.Cut(text, "== code ")
		code, digest, _ := strings.Cut(strings.TrimSpace(rest), "\n")
		list = append(list, result{output: text, built: code == "0", digest: digest})
	}
	if len(list) != len(features()) {
		return nil, "", fmt.Errorf("%d builds, want %d:\n%s", len(list), len(features()), output)
	}
	return list, strings.TrimSpace(leaked), nil
}

// way returns the way in which the steps of a build run, according to its output.
func (r *result) way() string {
	switch {
	case strings.Contains(r.output, "warning: RUN steps run in a changed root directory"):
		return "chroot"
	case strings.Contains(r.output, "warning: each RUN step copies its whole root"):
		return "namespaces, copies"
	case strings.Contains(r.output, "RUN steps cannot run in this container"):
		return "none"
	case r.built:
		return "namespaces, overlay"
	}
	return "failed"
}
