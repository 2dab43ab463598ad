//go:build integration

package daemon

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	registry "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"

	"slipway/builder"
	"slipway/builder/remote"
	"slipway/integration/buildcase"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
)

const builderDockerfile = `FROM busybox AS base
ARG WHO
COPY a /
COPY --from=dir f /
COPY --from=layout bin/busybox /second
RUN --mount=type=secret,id=s --mount=type=ssh \
    test -S "$SSH_AUTH_SOCK" && echo "$WHO $(cat /run/secrets/s)" > /output
FROM scratch AS files
COPY --from=base /output /a /f /
`

// builderOptions returns options of a build that uses every service that a client offers:
// contexts, secrets, SSH agents and OCI layouts.
func builderOptions(t *testing.T) builder.Options {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "context", "Dockerfile"), []byte(builderDockerfile))
	writeFile(t, filepath.Join(dir, "context", "a"), []byte("from the context"))
	writeFile(t, filepath.Join(dir, "dir", "f"), []byte("from a directory"))
	key := filepath.Join(dir, "key")
	if err := rig.WriteSSHKey(key); err != nil {
		t.Fatal(err)
	}
	return builder.Options{
		Context:   filepath.Join(dir, "context"),
		Contexts:  map[string]string{"dir": filepath.Join(dir, "dir"), "layout": "oci-layout://" + busyboxLayout(t)},
		BuildArgs: map[string]string{"WHO": t.Name()}, Labels: map[string]string{"l": "v"},
		Secrets: map[string][]byte{"s": []byte("secret")}, Agents: serveAgent(t, key),
		Builder: &remote.Builder{Address: shared.Socket}, Now: time.Now,
	}
}

// busyboxLayout writes a base image to an OCI layout and returns the layout's directory.
func busyboxLayout(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	o := builder.Options{
		Context: "-", Stdin: strings.NewReader("FROM busybox"), Builder: &remote.Builder{Address: shared.Socket}, Now: time.Now,
		Outputs: []builder.Output{{Type: "oci", Dest: dir, Attrs: map[string]string{"tar": "false"}}},
	}
	if err := builder.Run(t.Context(), o); err != nil {
		t.Fatal(errorText(err))
	}
	return dir
}

// errorText returns err as slipway build prints it.
func errorText(err error) string {
	var b strings.Builder
	_ = builder.Report(&b, err, false)
	return b.String()
}

func wantText(t *testing.T, file, want string) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v, want %q", filepath.Base(file), got, err, want)
	}
}

// TestBuilder checks builds with our frontend in this process and a BuildKit daemon, for each
// kind of builder address.
func TestBuilder(t *testing.T) {
	authority, certificate := newCertificate(t, nil, nil)
	_, ours := newCertificate(t, authority, certificate)
	installFakeDocker(t)
	for about, address := range map[string]remote.Builder{
		"unix":             {Address: shared.Socket},
		"tcp":              {Address: "tcp://" + forward(t, nil)},
		"docker-container": {Address: "docker-container://rig"},
		"TLS": {
			Address: "tcp://" + forward(t, serverTLS(t, authority, certificate)),
			CACert:  ours.authority, Cert: ours.cert, Key: ours.key, ServerName: "builder.test",
		},
	} {
		t.Run(about, func(t *testing.T) {
			o := builderOptions(t)
			o.Builder = &address
			out := t.TempDir()
			o.Outputs = []builder.Output{{Type: "local", Dest: out}}
			if err := builder.Run(t.Context(), o); err != nil {
				t.Fatal(errorText(err))
			}
			wantText(t, filepath.Join(out, "output"), t.Name()+" secret\n")
			wantText(t, filepath.Join(out, "a"), "from the context")
			wantText(t, filepath.Join(out, "f"), "from a directory")
		})
	}
}

// TestBuilderImage checks that our frontend in this process and our frontend image create the
// same images with BuildKit.
func TestBuilderImage(t *testing.T) {
	onBuilder := func(o *builder.Options) { o.Builder = &remote.Builder{Address: shared.Socket} }
	for _, c := range readCases(t, "image") {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
				req.Dockerfile = "# syntax=" + ours + "\n" + req.Dockerfile
				return buildWithBuildKit(t, req)
			})
			got := c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
				return solveImage(t, req, onBuilder)
			})
			if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
				t.Errorf("%s\nimage (-as an image +in this process):\n%s", c.About, diff)
			}
		})
	}
}

// TestBuilderOutputs checks a build with a daemon: it must write every kind of output and the
// exported cache, and return the config digest of the pushed image.
func TestBuilderOutputs(t *testing.T) {
	o := builderOptions(t)
	dir := t.TempDir()
	o.Tags = []string{shared.Addr + "/builder:outputs"}
	o.Annotations = map[string]string{"annotation-manifest.k": "v"}
	o.CacheTo = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"dest": filepath.Join(dir, "cache")}}}
	for _, v := range []string{"type=oci,dest=oci.tar", "type=docker,dest=docker.tar", "type=tar,dest=files.tar", "files", "type=registry"} {
		out, err := builder.ParseOutput(v)
		if err != nil {
			t.Fatal(err)
		}
		if out.Dest != "" {
			out.Dest = filepath.Join(dir, out.Dest)
		}
		o.Outputs = append(o.Outputs, out)
	}
	res, err := builder.Build(t.Context(), o)
	if err != nil {
		t.Fatal(errorText(err))
	}
	wantText(t, filepath.Join(dir, "files", "output"), t.Name()+" secret\n")
	ref, err := name.NewTag(shared.Addr+"/builder:outputs", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img, err := registry.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Exported["containerimage.config.digest"]; got != m.Config.Digest.String() || m.Annotations["k"] != "v" {
		t.Errorf("config %s, want %s; annotations %v", got, m.Config.Digest, m.Annotations)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range list {
		names = append(names, d.Name())
	}
	if diff := cmp.Diff([]string{"cache", "docker.tar", "files", "files.tar", "oci.tar"}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "cache", "index.json")); err != nil {
		t.Errorf("the cache was not exported: %v", err)
	}
}

// TestBuilderStdin checks builds whose Dockerfile or context comes from standard input.
func TestBuilderStdin(t *testing.T) {
	dir := t.TempDir()
	context, err := buildcase.PackArchive("context.tar", []byte(`file 0644 0:0 Dockerfile FROM scratch\nCOPY Dockerfile /f\n`))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "context", "a"), []byte("a"))
	for _, tc := range []struct {
		context, file string
		in            []byte
		want          string
	}{
		{"-", "", context, "FROM scratch\nCOPY Dockerfile /f\n"},
		{"-", "", []byte("FROM scratch\nCOPY <<EOF /f\nx\nEOF\n"), "x\n"},
		{filepath.Join(dir, "context"), "-", []byte("FROM scratch\nCOPY a /f\n"), "a"},
	} {
		out := t.TempDir()
		o := builder.Options{
			Context: tc.context, File: tc.file, Stdin: bytes.NewReader(tc.in), Builder: &remote.Builder{Address: shared.Socket},
			Outputs: []builder.Output{{Type: "local", Dest: out}}, Now: time.Now,
		}
		if err := builder.Run(t.Context(), o); err != nil {
			t.Error(errorText(err))
			continue
		}
		wantText(t, filepath.Join(out, "f"), tc.want)
	}
}

// TestBuilderErrors checks that errors from a build with a daemon have a source location, and
// that failing builds write no output.
func TestBuilderErrors(t *testing.T) {
	for _, tc := range []struct{ dockerfile, want string }{
		{"FROM scratch\nCOPPY a /\n", "Dockerfile:2:1: error: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\n 2 | COPPY a /\n   | ^^^^^\n"},
		{"FROM scratch\nCOPY --form=x a /\n", "Dockerfile:2:6: error: "},
		{"FROM busybox\nRUN echo x && exit 3\n", "exit code: 3\n 2 | RUN echo x && exit 3\n"},
		{"FROM scratch\nARG dir=none\nCOPY context* ${dir}/x /\n", "\"/none/x\": not found\n 3 | COPY context* ${dir}/x /\n   |               ^^^^^^^^\n"},
		{"FROM scratch\nCOPY none /\n", "\"/none\": not found\n 2 | COPY none /\n"},
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "context", "Dockerfile"), []byte(tc.dockerfile))
		o := builder.Options{
			Context: filepath.Join(dir, "context"), Builder: &remote.Builder{Address: shared.Socket}, Now: time.Now,
			Outputs: []builder.Output{{Type: "local", Dest: filepath.Join(dir, "out")}, {Type: "oci", Dest: filepath.Join(dir, "out.tar")}},
		}
		if got := errorText(builder.Run(t.Context(), o)); !strings.Contains(got, tc.want) {
			t.Errorf("%q: output\n%swant\n%s", tc.dockerfile, got, tc.want)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("%q: left %v, %v", tc.dockerfile, list, err)
		}
	}
}

// TestBuilderInterrupted checks that a build with a daemon ends if it is canceled while a
// step runs.
func TestBuilderInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	o := builder.Options{
		Context: "-", Stdin: strings.NewReader("FROM busybox\nRUN echo started && sleep 60 && : " + t.Name()), Builder: &remote.Builder{Address: shared.Socket},
		Outputs: []builder.Output{{Type: "oci", Dest: filepath.Join(dir, "out.tar")}}, Now: time.Now,
		Status: func(s *client.SolveStatus) {
			for _, l := range s.Logs {
				if strings.Contains(string(l.Data), "started") {
					cancel()
				}
			}
		},
	}
	start := time.Now()
	if err := builder.Run(ctx, o); !errors.Is(err, context.Canceled) || time.Since(start) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// buildSlipway compiles slipway and returns its path.
func buildSlipway(t *testing.T) string {
	t.Helper()
	program, err := rig.CompileSlipway(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// TestBuilderCommand checks the command slipway build with a daemon: its outputs, its --check
// flag, and an interrupt by SIGINT.
func TestBuilderCommand(t *testing.T) {
	o := builderOptions(t)
	dir := t.TempDir()
	program := buildSlipway(t)
	secret, key := filepath.Join(dir, "secret"), filepath.Join(dir, "key")
	writeFile(t, secret, []byte("secret"))
	if err := rig.WriteSSHKey(key); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"build", "--builder", shared.Socket, "--progress=plain"}, args...)...)
		cmd.Dir = dir
		return cmd
	}
	cmd := command("--secret", "id=s,src="+secret, "--ssh", "default="+key, "--build-arg", "WHO=me", "--build-context", "dir="+o.Contexts["dir"],
		"--build-context", "layout="+o.Contexts["layout"], "-o", "out", "-o", "type=oci,dest=oci.tar", "--iidfile", "id", "-t", "x", o.Context)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantText(t, filepath.Join(dir, "out", "output"), "me secret\n")
	if id, err := os.ReadFile(filepath.Join(dir, "id")); err != nil || !strings.HasPrefix(string(id), "sha256:") {
		t.Errorf("ID %q, %v", id, err)
	}
	check := command("--check", "-f", "-", o.Context)
	check.Stdin = strings.NewReader("FROM scratch as base\nCOPY a /\n")
	if out, err := check.Output(); check.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "[FromAsCasing]") {
		t.Errorf("check: %v\n%s", err, out)
	}
	interruptCommand(t, command("-f", "-", "-o", "interrupted", o.Context))
	if _, err := os.Stat(filepath.Join(dir, "interrupted")); err == nil {
		t.Error("an interrupted build leaves its output")
	}
}

// interruptCommand starts cmd, sends SIGINT as soon as a step runs, and checks the exit code.
func interruptCommand(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stdin = strings.NewReader("FROM busybox\nRUN echo star\"\"ted; sleep 60; : " + t.Name() + "\n")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var output strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&output, lines.Text())
		if strings.Contains(lines.Text(), "started") {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || time.Since(start) > 30*time.Second {
		t.Errorf("interrupted: exit code %d after %v\n%s", code, time.Since(start), output.String())
	}
}
