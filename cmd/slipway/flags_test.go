package main

import (
	"archive/tar"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// buildxFlags are the flags of docker buildx build 0.38, without hidden ones.
const buildxFlags = `add-host allow annotation attest build-arg build-context
cache-from cache-to call cgroup-parent check file help iidfile label load
metadata-file network no-cache no-cache-filter output platform policy progress
provenance pull push quiet resource sbom secret shm-size ssh tag target ulimit`

// TestFlagsOfDocker: each flag that users of docker build know is there, or an
// error that says what to use.
func TestFlagsOfDocker(t *testing.T) {
	cmd := buildCommand()
	cmd.InitDefaultHelpFlag()
	for _, name := range strings.Fields(buildxFlags) {
		if cmd.Flags().Lookup(name) == nil {
			t.Errorf("--%s is unknown", name)
		}
	}
	dir := contextDir(t, goodDockerfile)
	for _, r := range refused() {
		code, told := slipway(t, "build", "--"+r.name+"=1", dir)
		if code != exitUsage || !strings.Contains(told, "slipway has no --"+r.name+": "+r.instead) {
			t.Errorf("--%s: exit code %d, %s", r.name, code, told)
		}
	}
	code, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "none", "--rm", "--force-rm", "--compress",
		"--load=false", "--provenance=false", "--sbom=false", "--network=default", "--call=build", dir)
	if code != 0 || told != "" {
		t.Errorf("flags that say what is so anyway: exit code %d, %s", code, told)
	}
}

func TestUsage(t *testing.T) {
	dir := contextDir(t, goodDockerfile)
	for _, tc := range []struct {
		flags string
		want  string
	}{
		{"--builder mybuilder", "builder mybuilder is no address, there are unix://PATH, tcp://HOST:PORT or docker-container://NAME"},
		{"--builder ftp://x", "unknown scheme ftp"},
		{"--builder tcp://x", "has no port"},
		{"--builder unix://", "has no path"},
		{"--builder docker-container://", "has no name"},
		{"--builder unix:///x --tlscert a --tlskey b", "TLS is for tcp://HOST:PORT"},
		{"--builder tcp://x:1 --tlscert a", "a certificate of the client needs its key"},
		{"--builder tcp://x:1 --tlsdir /does/not/exist", "--tlsdir /does/not/exist has no ca.pem and no ca.crt"},
		{"--builder unix:///x --explain", "--explain is for builds in this process"},
		{"--builder unix:///x --mirror a=b", "--mirror is for builds in this process"},
		{"--tlscacert x", "--tlscacert needs --builder tcp://HOST:PORT"},
		{"--attest type=sbom", "attestations can only be had of a BuildKit: --builder"},
		{"--attest type=other", `unknown type "other", there are sbom and provenance`},
		{"--cgroup-parent x", "can only be had of a BuildKit: --builder"},
		{"-o type=oci,dest=x,compression=zstd", "compression=zstd can only be had of a BuildKit: --builder"},
		{"-o type=image", "there is no image store here; or use type=docker,dest=FILE"},
		{"-o type=registry,dest=x", "output image has no dest=PATH"},
		{"-o type=oci,dest=x,push=maybe", "push=maybe is neither true nor false"},
		{"-o - -o type=oci,dest=-", "only one output can go to standard output"},
		{"-q -o -", "use --iidfile"},
		{"-t UPPER", `image name "UPPER": `},
		{"--progress fancy", "there are auto, plain, tty, rawjson, quiet and none"},
		{"-q --progress plain", "--quiet shows no progress, and there is --progress=plain"},
		{"--network bridge", "there are default, none and host"},
		{"--add-host x", "--add-host x is not HOST:IP"},
		{"--add-host x:y", "--add-host x:y is not HOST:IP"},
		{"--ulimit nofile", "--ulimit nofile: "},
		{"--shm-size big", "--shm-size big is not a size, such as 64m"},
		{"--annotation x", "--annotation x is not KEY=VALUE"},
		{"--annotation layer:x=y", `unknown type "layer"`},
		{"--annotation index-descriptor:x=y", "annotations of index-descriptor can only be had of a BuildKit"},
		{"--secret id=x,type=blob", `unknown type "blob"`},
		{"--secret id=x,env=NO_SUCH_VARIABLE", "the environment has no NO_SUCH_VARIABLE"},
		{"--secret src=x", "has no id"},
		{"--ssh default=/does/not/exist", "no such file or directory"},
		{"--ssh default=" + filepath.Join(dir, "a"), "is neither a socket nor a private key"},
		{"--build-context x", "--build-context x is not NAME=VALUE"},
		{"--build-arg =x", "--build-arg =x is not KEY=VALUE"},
		{"--cache-to type=tape", `unknown type "tape", there are registry and local`},
		{"--cache-from type=local", "a local cache needs src=DIRECTORY"},
		{"--cache-to a=b", "it has no type=TYPE"},
		{"--call magic", "there are build, check, outline and targets"},
		{"--call check,format=xml", "there are json and text"},
		{"--check --call outline", "--check is --call=check"},
		{"--check -o out", "--output is about an image, and --call=check makes none"},
	} {
		args := append([]string{"build", "--state", t.TempDir()}, strings.Fields(tc.flags)...)
		if strings.Contains(tc.flags, "--builder") {
			args = args[:1:1]
			args = append(args, strings.Fields(tc.flags)...)
		}
		code, told := slipway(t, append(args, dir)...)
		if code != exitUsage || !strings.Contains(told, tc.want) {
			t.Errorf("%s: exit code %d, told\n%swant %s", tc.flags, code, told, tc.want)
		}
	}
	code, told := slipway(t, "biuld", dir)
	if code != exitUsage || told != "slipway: unknown command \"biuld\" (did you mean build?); slipway --help lists them\n" {
		t.Errorf("unknown command: exit code %d, told %q", code, told)
	}
	code, told = slipway(t, "build", "--builder", "unix:///does/not/exist", dir)
	if code != exitFailed || told != "error: builder unix:///does/not/exist does not answer: dial unix /does/not/exist: connect: no such file or directory\n" {
		t.Errorf("no builder: exit code %d, told %q", code, told)
	}
}

// archived returns the files of an OCI archive, blobs by their digests.
func archived(t *testing.T, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	blobs := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return blobs
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		blobs[strings.Replace(strings.TrimPrefix(h.Name, "blobs/"), "/", ":", 1)] = data
	}
}

// TestMetadata: what is told of an image is what the archive holds, and a failed
// build leaves no ID.
func TestMetadata(t *testing.T) {
	dir, out := contextDir(t, goodDockerfile), t.TempDir()
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

// TestIndex: annotations of an index and of what is in it.
func TestIndex(t *testing.T) {
	dir, file := contextDir(t, "FROM scratch\nCOPY a /\n"), filepath.Join(t.TempDir(), "oci.tar")
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

// TestStdout writes an archive where nobody says where.
func TestStdout(t *testing.T) {
	dir := contextDir(t, "FROM scratch\nCOPY a /\n")
	for _, o := range []string{"-", "type=tar", "type=tar,dest=-"} {
		code, out, told := slipwayOut(t, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "quiet", "-o", o, dir)
		if h, err := tar.NewReader(strings.NewReader(out)).Next(); code != 0 || err != nil || h.Name != "a" {
			t.Errorf("%s: exit code %d, %v, %s", o, code, err, told)
		}
	}
}

func TestCall(t *testing.T) {
	warned := contextDir(t, "FROM scratch as base\n# secret: for all\nARG A=1\nCOPY a /\nFROM base AS last\nCOPY a /b\n")
	broken := contextDir(t, "FROM scratch\nCOPPY a b\n")
	for _, tc := range []struct {
		flags, dir string
		code       int
		out, told  string
	}{
		{"--check", contextDir(t, goodDockerfile), 0, "Check complete, no warnings found.\n", ""},
		{"--check", warned, exitFailed, "Check complete, 1 warning has been found!\n\nWARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/\n'as' and 'FROM' keywords' casing do not match\nDockerfile:1\n--------------------\n   1 | >>> FROM scratch as base\n", ""},
		{"--call=check,ignorestatus=true", warned, 0, "Check complete, 1 warning has been found!\n", ""},
		{"--call=check,format=json", warned, exitFailed, "{\n  \"warnings\": [\n", ""},
		{"--check", broken, exitFailed, "", "ERROR: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\nDockerfile:2\n"},
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

func TestComplete(t *testing.T) {
	dir := contextDir(t, "ARG G\nFROM scratch AS one\n# A: what it is for\nARG A B=1\nCOPPY a /\nFROM one AS two\n")
	for _, tc := range []struct {
		words string
		want  string
	}{
		{dir + " --target ", "one\tFROM scratch|two\tFROM one|:4"},
		{"-f " + dir + "/Dockerfile --no-cache-filter ", "one\tFROM scratch|two\tFROM one|:4"},
		{dir + " --build-arg ", "G=|A=|B=|:6"},
		{"--progress ", "auto|plain|tty|rawjson|quiet|none|:4"},
		{"--output ", "type=oci,dest=|type=docker,dest=|type=tar,dest=|type=local,dest=|type=image,push=true|type=registry|type=cacheonly|:6"},
		{"--state ", ":16"},
		{"--file ", ":0"},
		{"", ":16"},
		{"/does/not/exist --target ", ":4"},
	} {
		args := append([]string{"__complete", "build"}, strings.Split(tc.words, " ")...)
		if _, out, _ := slipwayOut(t, args...); strings.ReplaceAll(strings.TrimSpace(out), "\n", "|") != tc.want {
			t.Errorf("%s: %q, want %q", tc.words, out, tc.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, _ := slipwayOut(t, "completion", shell); code != 0 || !strings.Contains(out, "slipway") {
			t.Errorf("%s: exit code %d", shell, code)
		}
	}
}

// TestInterrupted sends SIGINT while a download hangs.
func TestInterrupted(t *testing.T) {
	asked, done := make(chan bool, 1), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		select {
		case <-r.Context().Done():
		case <-done:
		}
	}))
	t.Cleanup(func() { close(done); s.Close() })
	dir, out := contextDir(t, "FROM scratch\nADD "+s.URL+"/f /\n"), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "build", "--state", t.TempDir(), "--progress", "quiet", "-o", "type=oci,dest="+filepath.Join(out, "x.tar"), dir)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var told strings.Builder
	cmd.Stderr = &told
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || told.String() != "slipway: interrupted\n" {
		t.Errorf("exit code %d, told %s", code, told.String())
	}
	if list, err := os.ReadDir(out); err != nil || len(list) > 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// TestServeKeys has an agent that knows the keys and no other.
func TestServeKeys(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	protected, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("word"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string]*pem.Block{"key": block, "protected": protected} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := parseAgents([]string{"x=" + filepath.Join(dir, "protected")}); err == nil || !strings.Contains(err.Error(), "add it to an agent with ssh-add") {
		t.Errorf("a passphrase: %v", err)
	}
	f := &buildFlags{}
	if f.agents, err = parseAgents([]string{"x=" + filepath.Join(dir, "key")}); err != nil {
		t.Fatal(err)
	}
	stop, err := f.serveAgents()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", f.opt.Agents["x"])
	if err != nil {
		t.Fatal(err)
	}
	list, err := agent.NewClient(conn).List()
	if err != nil || len(list) != 1 || list[0].Format != ssh.KeyAlgoED25519 {
		t.Errorf("keys %v, %v", list, err)
	}
	conn.Close()
	stop()
	if _, err := os.Stat(filepath.Dir(f.opt.Agents["x"])); err == nil {
		t.Error("the directory of the socket is left")
	}
}

// TestCompletedFlagsExist: a completion of a flag that is not there would be
// lost without a word.
func TestCompletedFlagsExist(t *testing.T) {
	f := &buildFlags{}
	cmd := buildCommand()
	fixed, open := f.completions()
	for _, name := range slices.Concat(slices.Collect(maps.Keys(fixed)), slices.Collect(maps.Keys(open))) {
		if cmd.Flags().Lookup(name) == nil {
			t.Errorf("--%s does not exist", name)
		}
	}
}
