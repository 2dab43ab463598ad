package main

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"slipway/internal/testarchive"
	"slipway/internal/testcontext"

	"github.com/google/go-cmp/cmp"
)

// archived returns the contents of the files in an OCI archive. The keys are digests for
// blobs and paths for other files.
func archived(t *testing.T, file string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for name, data := range testarchive.Read(t, file) {
		files[strings.Replace(strings.TrimPrefix(name, "blobs/"), "/", ":", 1)] = data
	}
	return files
}

// TestMetadata checks that the files of --metadata-file and --iidfile match the image in the
// archive, and that a failed build leaves no file with an image ID.
func TestMetadata(t *testing.T) {
	dir, out := testcontext.New(t, goodDockerfile), t.TempDir()
	flags := []string{
		"build", "--state", t.TempDir(), "--runner", "portable", "-q", "-t", "x", "--annotation", "k=v",
		"--iidfile", filepath.Join(out, "id"), "--metadata-file", filepath.Join(out, "metadata"),
	}
	code, id, told := slipwayOut(t, append(flags, "-o", "type=oci,dest="+filepath.Join(out, "oci.tar"), dir)...)
	if code != 0 || told != "" {
		t.Fatalf("exit code %d, %s", code, told)
	}
	blobs := archived(t, filepath.Join(out, "oci.tar"))
	var metadata struct {
		Name       string `json:"image.name"`
		Digest     string `json:"containerimage.digest"`
		Config     string `json:"containerimage.config.digest"`
		Descriptor struct{ MediaType, Digest string }
	}
	data, err := os.ReadFile(filepath.Join(out, "metadata"))
	if err == nil {
		err = json.Unmarshal(data, &metadata)
	}
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Config      struct{ Digest string }
		Annotations map[string]string
	}
	if err := json.Unmarshal(blobs[metadata.Digest], &manifest); err != nil {
		t.Fatalf("manifest %s: %v", metadata.Digest, err)
	}
	if manifest.Config.Digest != metadata.Config || blobs[metadata.Config] == nil || manifest.Annotations["k"] != "v" || metadata.Name != "docker.io/library/x:latest" {
		t.Errorf("metadata %s, manifest %s", data, blobs[metadata.Digest])
	}
	file, err := os.ReadFile(filepath.Join(out, "id"))
	if err != nil || string(file) != metadata.Config || id != metadata.Config+"\n" {
		t.Errorf("ID %q, in the file %q, %v, want %s", id, file, err, metadata.Config)
	}
	if code, id, _ = slipwayOut(t, append(flags, "--target", "none", dir)...); code != exitFailed || id != "" {
		t.Errorf("a failed build: exit code %d, ID %q", code, id)
	}
	if _, err := os.Stat(filepath.Join(out, "id")); err == nil {
		t.Error("a failed build leaves the ID of another one")
	}
}

// TestResultsInPlace checks that --iidfile and --metadata-file write to existing pipes and
// through links, and never replace a pipe or link with a file.
func TestResultsInPlace(t *testing.T) {
	dir, out := testcontext.New(t, "FROM scratch\nCOPY a /\n"), t.TempDir()
	at := func(name string) string { return filepath.Join(out, name) }
	if err := os.Symlink("real", at("link")); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	args := []string{"build", "--state", t.TempDir(), "--runner", "portable", "-q", "--iidfile", at("link")}
	code, id, told := slipwayOut(t, append(args, "--metadata-file", fmt.Sprintf("/dev/fd/%d", w.Fd()), dir)...)
	w.Close()
	if code != 0 || told != "" {
		t.Fatalf("exit code %d, %s", code, told)
	}
	metadata, err := io.ReadAll(r)
	if err != nil || !json.Valid(metadata) || len(metadata) == 0 {
		t.Errorf("metadata in a pipe: %s, %v", metadata, err)
	}
	if data, err := os.ReadFile(at("real")); err != nil || string(data)+"\n" != id {
		t.Errorf("ID through a link: %q, %v, want %q", data, err, id)
	}
	if got, err := os.Readlink(at("link")); got != "real" || err != nil {
		t.Errorf("the link leads to %q, %v", got, err)
	}
	if code, _, _ := slipwayOut(t, append(args, "--target", "none", dir)...); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(at("link")); err != nil {
		t.Errorf("the link to a stale ID: %v", err)
	}
	if _, err := os.Stat(at("real")); err == nil {
		t.Error("a failed build leaves the ID of another one")
	}
	if list, err := filepath.Glob(at(".slipway-*")); err != nil || len(list) > 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// TestFullStdout checks that every command fails and reports a single error if standard
// output cannot be written.
func TestFullStdout(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	dir, state := testcontext.New(t, "FROM scratch AS last\nARG A=1\nCOPY a /\n"), t.TempDir()
	slipway(t, "build", "--state", state, "--runner", "portable", "-q", "-t", "img", dir)
	for _, command := range []string{
		"build -q " + dir, "build --progress quiet -o - " + dir, "build --check " + dir, "build --call outline " + dir, "build --call targets " + dir,
		"build --call subrequests.describe " + dir, "build --call check,format=json " + dir,
		"image ls", "image ls -q", "image inspect img", "image save img", "cache ls", "cache prune -f --filter id=none",
		"help", "image --help", "build --help", "--version", "completion bash", "completion zsh", "completion fish", "completion powershell", "logout localhost:1",
	} {
		args := strings.Fields(command)
		if name := args[0]; (name == "build" || name == "image" || name == "cache") && !strings.Contains(command, "help") {
			args = append(args, "--state", state)
		}
		text, end := capture(t, &os.Stderr)
		stdout := os.Stdout
		os.Stdout = full
		code := run(t.Context(), args)
		os.Stdout = stdout
		end()
		if told := <-text; code != exitFailed || strings.Count(told, "no space left on device") != 1 {
			t.Errorf("%s: exit code %d, want %d; told %q, want one error", command, code, exitFailed, told)
		}
	}
}

// TestExplainToStderr checks that --explain writes to standard error, so that a quiet build
// prints only the ID on standard output.
func TestExplainToStderr(t *testing.T) {
	state, dir := t.TempDir(), testcontext.New(t, goodDockerfile+"RUN : '\x1b[2J'\n")
	args := []string{"build", "--state", state, "--runner", "portable", "-q", "--explain", dir}
	slipwayOut(t, args...)
	testcontext.Write(t, dir, map[string]string{"a": "changed"})
	code, id, told := slipwayOut(t, args...)
	if code != 0 || !strings.HasPrefix(id, "sha256:") || strings.Count(id, "\n") != 1 || told == "" {
		t.Errorf("exit code %d, standard output %q, standard error %q", code, id, told)
	}
	_, list, _ := slipwayOut(t, "cache", "ls", "--state", state)
	for about, text := range map[string]string{"an explanation": told, "a list of the cache": list} {
		if strings.Contains(text, "\x1b") || !strings.Contains(text, "␛[2J") {
			t.Errorf("%s has control sequences of steps:\n%q", about, text)
		}
	}
}

// TestExplainKeys checks that --explain=keys prints the cache keys of cached steps, and that
// the cache contains a record for a printed key.
func TestExplainKeys(t *testing.T) {
	state, dir := t.TempDir(), testcontext.New(t, "FROM scratch\nCOPY a /\n")
	args := []string{"build", "--state", state, "-q", dir, "--explain=keys"}
	slipwayOut(t, args...)
	code, _, told := slipwayOut(t, args...)
	step := regexp.MustCompile(`(?m)^\[1/1\] COPY a /: cached\n  key sha256:(..)([0-9a-f]{62})\n  [0-9a-f]{12} operation\n  [0-9a-f]{12} files of copy 0, from the context$`).FindStringSubmatch(told)
	if code != 0 || step == nil {
		t.Fatalf("exit code %d, told\n%s", code, told)
	}
	if _, err := os.Stat(filepath.Join(state, "cache", step[1], step[2]+".json")); err != nil {
		t.Error(err)
	}
	for flag, want := range map[string]string{"--explain=false": "", "--explain=true": "all steps were cached\n"} {
		if code, _, told := slipwayOut(t, append(args[:5:5], flag)...); code != 0 || told != want {
			t.Errorf("%s: exit code %d, told %q, want %q", flag, code, told, want)
		}
	}
}

// TestIndex checks that a build for several platforms adds annotations to the index, its
// descriptors and its manifests as requested.
func TestIndex(t *testing.T) {
	dir, file := testcontext.New(t, "FROM scratch\nCOPY a /\n"), filepath.Join(t.TempDir(), "oci.tar")
	code, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "quiet", "--platform", "linux/amd64,linux/arm64", "--annotation", "index:i=1",
		"--annotation", "manifest-descriptor[linux/arm64]:d=2", "--annotation", "manifest[linux/amd64],index:both=3", "-o", "type=oci,dest="+file, dir)
	if code != 0 {
		t.Fatal(told)
	}
	blobs := archived(t, file)
	type descriptor struct {
		Digest      string
		Annotations map[string]string
	}
	var top, index struct {
		Manifests   []descriptor
		Annotations map[string]string
	}
	if err := json.Unmarshal(blobs["index.json"], &top); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(blobs[top.Manifests[0].Digest], &index); err != nil {
		t.Fatal(err)
	}
	got := []map[string]string{index.Annotations}
	for _, d := range index.Manifests {
		var m struct{ Annotations map[string]string }
		if err := json.Unmarshal(blobs[d.Digest], &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, d.Annotations, m.Annotations)
	}
	if diff := cmp.Diff([]map[string]string{{"i": "1", "both": "3"}, nil, {"both": "3"}, {"d": "2"}, nil}, got); diff != "" {
		t.Errorf("annotations of the index, and of descriptor and manifest of each platform (-want +got):\n%s", diff)
	}
}

// TestStdout checks that an archive without a destination is written to standard output.
func TestStdout(t *testing.T) {
	dir := testcontext.New(t, "FROM scratch\nCOPY a /\n")
	for _, o := range []string{"-", "type=tar", "type=tar,dest=-"} {
		code, out, told := slipwayOut(t, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "quiet", "-o", o, dir)
		if h, err := tar.NewReader(strings.NewReader(out)).Next(); code != 0 || err != nil || h.Name != "a" {
			t.Errorf("%s: exit code %d, %v, %s", o, code, err, told)
		}
	}
}

func TestCall(t *testing.T) {
	warned := testcontext.New(t, "FROM scratch as base\n# secret: for all\nARG A=1\nCOPY a /\nFROM base AS last\nCOPY a /b\n")
	broken := testcontext.New(t, "FROM scratch as base\nCOPPY a b\nRUN --typo=x y\n")
	unresolved := testcontext.New(t, "FROM localhost:1/none\nENV A=$B\n")
	for _, tc := range []struct {
		flags, dir string
		code       int
		out, told  string
	}{
		{"--check", testcontext.New(t, goodDockerfile), 0, "Check complete, no warnings found.\n", ""},
		{"--check", warned, exitFailed, "Check complete, 1 warning has been found!\n\n" + filepath.Join(warned, "Dockerfile") + ":1:14: warning: 'as' and 'FROM' keywords' casing do not match [FromAsCasing]\n 1 | FROM scratch as base\n   |              ^^\n", ""},
		{"--call=check,ignorestatus=true", warned, 0, "Check complete, 1 warning has been found!\n", ""},
		{"--call=check,format=json", warned, exitFailed, "\"code\": \"FromAsCasing\",\n      \"message\": \"'as' and 'FROM' keywords' casing do not match\",\n", ""},
		{"--call=check,format=json", warned, exitFailed, "\"ruleName\": \"FromAsCasing\",\n", ""},
		{"--call=check,format=json", warned, exitFailed, "\"line\": 1,\n          \"column\": 14,\n", ""},
		{"--check", broken, exitFailed, "Check complete, 2 errors and 1 warning have been found!\n\n" + filepath.Join(broken, "Dockerfile") + ":2:1: error: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\n 2 | COPPY a b\n   | ^^^^^\n", ""},
		{"--call=check,ignorestatus=true", broken, exitFailed, "Dockerfile:3:5: error: dockerfile parse error on line 3: unknown flag: --typo\n", ""},
		{"--check", unresolved, 0, "Check complete, no warnings found.\n\n" + filepath.Join(unresolved, "Dockerfile") + ":1:6: note: cannot look up the image, so what it sets is not checked: ", ""},
		{"--call=targets", warned, 0, "TARGET         DESCRIPTION\nbase           \nlast (default) \n", ""},
		{"--call=outline", warned, 0, "TARGET:", ""},
		{"--call=subrequests.describe", warned, 0, "lint                 1.0.0   Lint a Dockerfile\n", ""},
	} {
		code, out, told := slipwayOut(t, "build", "--state", t.TempDir(), tc.flags, tc.dir)
		if code != tc.code || !strings.Contains(out, tc.out) || !strings.HasPrefix(told, tc.told) || tc.told == "" && told != "" {
			t.Errorf("%s: exit code %d, want %d; wrote\n%s\nwant\n%s\ntold\n%s", tc.flags, code, tc.code, out, tc.out, told)
		}
	}
}
