package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/builder"
	"slipway/internal/fakeregistry"
	"slipway/internal/testcontext"
)

// TestImages checks that an image built with -t can be used by the next build, and can be
// listed, tagged, inspected, saved, pushed and removed.
func TestImages(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	state, out := t.TempDir(), t.TempDir()
	do := func(words ...string) string {
		t.Helper()
		code, out, told := slipwayOut(t, append(words, "--state", state)...)
		if code != 0 {
			t.Fatalf("%q: exit code %d:\n%s", words, code, told)
		}
		return out
	}
	do("build", "--runner", "portable", "--progress", "quiet", "-t", "app:1", testcontext.New(t, goodDockerfile))
	do("build", "--runner", "portable", "--progress", "quiet", "-o", out, testcontext.New(t, "FROM app:1\nRUN cat b > c\n"))
	if data, err := os.ReadFile(filepath.Join(out, "c")); err != nil || string(data) != "content\nyou\n" {
		t.Errorf("file %q, %v", data, err)
	}
	do("image", "tag", "app:1", s.Host+"/app:1")
	list := do("image", "ls")
	if lines := strings.Split(list, "\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "NAME ") || !strings.HasPrefix(lines[1], s.Host+"/app:1 ") || !strings.HasPrefix(lines[2], "app:1 ") {
		t.Errorf("list:\n%s", list)
	}
	var about []builder.ImageDetails
	if err := json.Unmarshal([]byte(do("image", "inspect", "app:1")), &about); err != nil || len(about) != 1 || len(about[0].Images) != 1 {
		t.Fatalf("inspect: %v, %v", about, err)
	}
	if pushed := do("image", "push", s.Host+"/app:1"); pushed != string(about[0].Digest)+"\n" {
		t.Errorf("pushed %q, want %s", pushed, about[0].Digest)
	}
	if pushed := do("image", "push", "app:1", s.Host+"/app:2"); pushed != string(about[0].Digest)+"\n" {
		t.Errorf("pushed %q, want %s", pushed, about[0].Digest)
	}
	if seen := strings.Join(s.TakeRequests(), " "); !strings.Contains(seen, "PUT /v2/app/manifests/1") || !strings.Contains(seen, "PUT /v2/app/manifests/2") {
		t.Errorf("requests %s", seen)
	}
	archive := filepath.Join(out, "app.tar")
	do("image", "save", "-o", archive, "app:1")
	if files := archived(t, archive); files["manifest.json"] == nil || files["index.json"] == nil {
		t.Errorf("the archive has %d files", len(files))
	}
	if data := do("image", "save", "--format", "oci", "app:1"); !strings.HasPrefix(data, "blobs/") {
		t.Errorf("the archive begins with %.10q", data)
	}
	do("image", "rm", "app:1", s.Host+"/app:1")
	if list := do("image", "ls", "-q"); list != "" {
		t.Errorf("images after removing all names: %q, want none", list)
	}
}

// TestImageUsage checks that the subcommands of slipway image reject invalid command lines
// with a usage error, and complete the names of images.
func TestImageUsage(t *testing.T) {
	state := t.TempDir()
	if code, told := slipway(t, "build", "--state", state, "--runner", "portable", "--progress", "plain", "-t", "app", testcontext.New(t, goodDockerfile)); code != 0 || strings.Contains(told, "in the cache only") {
		t.Fatalf("exit code %d:\n%s", code, told)
	}
	for _, tc := range []struct {
		words string
		code  int
		want  string
	}{
		{"rm", exitUsage, "wrong number of names: 0 (usage: slipway image rm NAME...)"},
		{"tag app", exitUsage, "wrong number of names: 1 (usage: slipway image tag NAME NEWNAME)"},
		{"push a b c", exitUsage, "wrong number of names: 3 (usage: slipway image push [flags] NAME [NEWNAME])"},
		{"ls app", exitUsage, `takes no arguments, not ["app"]`},
		{"rm ap", exitFailed, "error: image \"ap\": no such image (did you mean app?)\n"},
		{"inspect none", exitFailed, "error: image \"none\": no such image (slipway image ls lists images)\n"},
		{"push none", exitFailed, "error: image \"none\": no such image (slipway image ls lists images)\n"},
		{"nothing", exitUsage, "nothing"},
	} {
		if code, out, told := slipwayOut(t, append([]string{"image", "--state", state}, strings.Fields(tc.words)...)...); code != tc.code || !strings.Contains(told, tc.want) || out != "" {
			t.Errorf("%s: exit code %d, %q and %q, want %q", tc.words, code, out, told, tc.want)
		}
	}
	for words, want := range map[string]string{
		"rm ":            "app:latest|:4",
		"rm app ":        "app:latest|:4",
		"tag app ":       "app:latest|:4",
		"push app x ":    ":4",
		"ls ":            ":4",
		"save --format ": "docker|oci|:4",
	} {
		args := append([]string{"__complete", "image", "--state", state}, strings.Split(words, " ")...)
		if _, out, _ := slipwayOut(t, args...); strings.ReplaceAll(strings.TrimSpace(out), "\n", "|") != want {
			t.Errorf("%s: %q, want %q", words, out, want)
		}
	}
}

// TestDamagedImageIsListed checks slipway image ls if the stored record of one image is corrupt.
// The command must list the other images, and report the corrupt record as an error.
func TestDamagedImageIsListed(t *testing.T) {
	state := t.TempDir()
	if code, told := slipway(t, "build", "--state", state, "--runner", "portable", "--progress", "quiet", "-t", "app", "-t", "other", testcontext.New(t, goodDockerfile)); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, told)
	}
	found, err := filepath.Glob(filepath.Join(state, "images", "*.json"))
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	if err := os.Truncate(found[0], 1); err != nil {
		t.Fatal(err)
	}
	code, out, told := slipwayOut(t, "image", "ls", "-q", "--state", state)
	if code != exitFailed || len(strings.Fields(out)) != 1 || !strings.Contains(told, found[0]+": damaged (delete it, and build the image again)") {
		t.Errorf("exit code %d, %q and %q", code, out, told)
	}
}
