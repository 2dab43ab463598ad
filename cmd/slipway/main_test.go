package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/internal/testcontext"
	"slipway/solver/runner/chroot"
	"slipway/solver/runner/namespace"
)

// asCommand is the environment variable that makes the test binary run as slipway.
const asCommand = "SLIPWAY_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	namespace.Main()
	chroot.Main()
	os.Exit(m.Run())
}

// slipway runs the command slipway with the arguments args in this process. It returns the
// exit code and the text on standard error.
func slipway(t *testing.T, args ...string) (int, string) {
	t.Helper()
	code, _, told := slipwayOut(t, args...)
	return code, told
}

// slipwayOut runs the command slipway with the arguments args in this process. It returns the
// exit code and the texts on standard output and standard error.
func slipwayOut(t *testing.T, args ...string) (code int, out, told string) {
	t.Helper()
	outText, endOut := capture(t, &os.Stdout)
	errText, endErr := capture(t, &os.Stderr)
	code = run(context.Background(), args)
	endOut()
	endErr()
	return code, <-outText, <-errText
}

// capture replaces *file, such as os.Stderr, with a pipe. The function end restores *file.
// After a call of end, the channel text receives everything that was written to the pipe.
func capture(t *testing.T, file **os.File) (text <-chan string, end func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := *file
	*file = w
	told := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		told <- string(data)
	}()
	return told, func() { *file = old; w.Close() }
}

const goodDockerfile = "FROM scratch\nCOPY base /\nARG WHO=you\nCOPY a /\nRUN cat a > /b; echo $WHO >> /b\n"

func TestBuild(t *testing.T) {
	dir, out := testcontext.New(t, goodDockerfile), t.TempDir()
	args := []string{"build", "--state", t.TempDir(), "--runner", "portable", "--progress", "plain", "--build-arg", "WHO=me", "-t", "x", "-o", out, dir}
	code, told := slipway(t, args...)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, told)
	}
	data, err := os.ReadFile(filepath.Join(out, "b"))
	if err != nil || string(data) != "content\nme\n" {
		t.Errorf("file %q, %v", data, err)
	}
	const nowhere = "the result is in the cache only: --load, --push and --output take it elsewhere\n"
	if strings.Contains(told, nowhere) {
		t.Errorf("with an output: %s", told)
	}
	if _, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "plain", dir); !strings.HasSuffix(told, nowhere) {
		t.Errorf("without an output: %s", told)
	}
	if _, told = slipway(t, args...); !strings.Contains(told, "CACHED") || strings.Contains(told, "[4/4] RUN cat a > /b; echo $WHO >> /b\n#5 DONE") {
		t.Errorf("the second build is not cached:\n%s", told)
	}
}

// TestReproducible checks that two builds of the same input, with different directories and
// caches, produce the same archive.
func TestReproducible(t *testing.T) {
	dir := testcontext.New(t, goodDockerfile)
	for _, kind := range []string{"oci", "docker", "tar"} {
		var archives [2][]byte
		for i := range archives {
			file := filepath.Join(t.TempDir(), "out.tar")
			code, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "quiet",
				"--build-arg", "SOURCE_DATE_EPOCH=100", "-t", "x", "-o", "type="+kind+",rewrite-timestamp=true,dest="+file, dir)
			if code != 0 {
				t.Fatalf("%s: exit code %d:\n%s", kind, code, told)
			}
			var err error
			if archives[i], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(archives[0], archives[1]) {
			t.Errorf("%s: two archives of the same input differ", kind)
		}
	}
}

func TestFailures(t *testing.T) {
	good := testcontext.New(t, goodDockerfile)
	for _, tc := range []struct {
		about string
		args  []string
		code  int
		want  string
	}{
		{"no context", nil, exitUsage, "build needs one CONTEXT"},
		{"unknown flag", []string{"--nope", good}, exitUsage, "unknown flag: --nope"},
		{"misspelt flag", []string{"--tagg", "x", good}, exitUsage, "unknown flag: --tagg (did you mean --tag?)"},
		{"missing context", []string{"/does/not/exist"}, exitFailed, "build context: directory /does/not/exist does not exist"},
		{"bad output", []string{"-o", "type=zip,dest=x", good}, exitUsage, `unknown output type "zip" (use oci, docker, tar, local, image, registry or cacheonly)`},
		{"output to nowhere", []string{"-o", "type=local", good}, exitUsage, "output local needs dest=DIRECTORY"},
		{"bad label", []string{"--label", "=x", good}, exitUsage, "--label =x is not KEY=VALUE"},
		{"missing secret", []string{"--secret", "id=x,src=/does/not/exist", good}, exitUsage, "no such file or directory"},
		{"unknown runner", []string{"--runner", "magic", good}, exitUsage, `unknown runner "magic"`},
		{"mistake", []string{testcontext.New(t, "FROM scratch\nCOPPY a b\n")}, exitFailed, "Dockerfile:2:1: error: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\n 2 | COPPY a b\n   | ^^^^^\n"},
		{"missing file", []string{testcontext.New(t, "FROM scratch\nCOPY none /\n")}, exitFailed, "Dockerfile:2:6: error: [1/1] \"/none\": not found\n 2 | COPY none /\n   |      ^^^^\n"},
		{"failing step", []string{testcontext.New(t, "FROM scratch\nCOPY base /\nRUN exit 3\n")}, exitFailed, "exit code: 3\n 3 | RUN exit 3\n"},
		{"failing step that clears the screen", []string{testcontext.New(t, "FROM scratch\nCOPY base /\nRUN printf 'a\\033[2J\\tb\\r\\n'; exit 3\n")}, exitFailed, "exit 3:\na␛[2J   b\n------\n"},
		{"failing step that says why", []string{testcontext.New(t, "FROM scratch\nCOPY base /\nRUN echo why; exit 3\n")}, exitFailed, "------\n > [2/2] RUN echo why; exit 3:\nwhy\n------\n"},
	} {
		args := append([]string{"build", "--state", t.TempDir(), "--progress", "quiet"}, tc.args...)
		if tc.about != "unknown runner" {
			args = append(args[:1:1], append([]string{"--runner", "portable"}, args[1:]...)...)
		}
		code, told := slipway(t, args...)
		if code != tc.code || !strings.Contains(told, tc.want) {
			t.Errorf("%s: exit code %d, want %d; told\n%s\nwant %s", tc.about, code, tc.code, told, tc.want)
		}
	}
}
