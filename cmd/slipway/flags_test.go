package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/internal/testcontext"

	"github.com/containerd/platforms"
	"github.com/docker/cli/cli/config"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// buildxFlags lists the flags of docker buildx build 0.38, without hidden flags.
const buildxFlags = `add-host allow annotation attest build-arg build-context
cache-from cache-to call cgroup-parent check file help iidfile label load
metadata-file network no-cache no-cache-filter output platform policy progress
provenance pull push quiet resource sbom secret shm-size ssh tag target ulimit`

// TestFlagsOfDocker checks that each flag of docker build either works, or causes a warning,
// or causes an error with a hint.
func TestFlagsOfDocker(t *testing.T) {
	cmd := buildCommand()
	cmd.InitDefaultHelpFlag()
	for _, name := range strings.Fields(buildxFlags) {
		if cmd.Flags().Lookup(name) == nil {
			t.Errorf("--%s is unknown", name)
		}
	}
	dir := testcontext.New(t, goodDockerfile)
	for _, flag := range []string{"squash", "isolation=x", "security-opt=x", "disable-content-trust"} {
		code, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "-q", "--"+flag, dir)
		if code != 0 || !strings.HasPrefix(told, "warning: ") || !strings.Contains(told, " has no effect") || strings.Count(told, "\n") != 1 {
			t.Errorf("--%s: exit code %d, %s", flag, code, told)
		}
	}
	for flag, name := range map[string]string{
		"-m=1g": "memory", "--memory-swap=-1": "memory-swap", "-c=1": "cpu-shares", "--cpu-period=1": "cpu-period", "--cpu-quota=1": "cpu-quota",
		"--cpuset-cpus=0": "cpuset-cpus", "--cpuset-mems=0": "cpuset-mems", "--resource=memory=1g": "memory", "--cgroup-parent=x": "cgroup-parent",
	} {
		code, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "-q", flag, dir)
		if want := "slipway: --" + name + ": the portable runner has no control groups (use --runner namespace)\n"; code != exitUsage || told != want {
			t.Errorf("%s: exit code %d, %q, want %q", flag, code, told, want)
		}
	}
	code, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "none", "--rm", "--force-rm", "--compress",
		"--load=false", "--provenance=false", "--sbom=false", "--network=default", "--call=build", dir)
	if code != 0 || told != "" {
		t.Errorf("flags without effect: exit code %d, %s", code, told)
	}
}

func TestUsage(t *testing.T) {
	dir := testcontext.New(t, goodDockerfile)
	for _, tc := range []struct {
		flags string
		want  string
	}{
		{"--builder mybuilder", "invalid builder address \"mybuilder\": want unix://PATH, tcp://HOST:PORT or docker-container://NAME"},
		{"--builder ftp://x", "unknown scheme ftp"},
		{"--builder tcp://x", "has no port"},
		{"--builder unix://", "has no path"},
		{"--builder docker-container://", "has no name"},
		{"--builder unix:///x --tlscert a --tlskey b", "TLS is for tcp://HOST:PORT"},
		{"--builder tcp://x:1 --tlscert a", "a certificate of the client needs its key"},
		{"--builder tcp://x:1 --tlsdir /does/not/exist", "--tlsdir /does/not/exist has no ca.pem and no ca.crt"},
		{"--builder unix:///x --explain", "--explain is for builds in this process"},
		{"--builder unix:///x --jobs 2", "--jobs is for builds in this process"},
		{"--builder unix:///x --keep-storage 1GB", "--keep-storage is for builds in this process"},
		{"--keep-storage much", `--keep-storage: "much" is not an amount of disk space (use 20GB, 10% or unlimited)`},
		{"--keep-storage 0%", `--keep-storage: "0%" is not a share of the disk (use 1% to 100%)`},
		{"--jobs -1", "jobs: -1 is negative (0 sets no limit)"},
		{"--builder unix:///x --mirror a=b", "--mirror is for builds in this process"},
		{"--tlscacert x", "--tlscacert needs --builder tcp://HOST:PORT"},
		{"-f a -f b", "--file: 2 files are named (name one)"},
		{"--policy x", "slipway has no --policy"},
		{"--resource disk=1g", `--resource "disk=1g": unknown resource (want cpu-period, cpu-quota, cpu-shares, cpuset-cpus, cpuset-mems, memory, memory-swap)`},
		{"--builder unix:///x -m big", `--memory "big": not a size`},
		{"--builder unix:///x --cpu-quota big", `--cpu-quota "big": not a number`},
		{"--no-cache --no-cache-filter x", "--no-cache and --no-cache-filter cannot be used together"},
		{"--platform linux/amd64,linux/arm64 --load", "output docker: the archive of docker load holds one platform (use type=oci)"},
		{"--platform linux/amd64,linux/arm64 -o type=docker,dest=x", "output docker: the archive of docker load holds one platform (use type=oci)"},
		{"--builder unix:///x --build-arg BUILDKIT_MULTI_PLATFORM=1 -o type=docker,dest=x", "output docker: the archive of docker load holds one platform (use type=oci)"},
		{"--push -t x@sha256:" + strings.Repeat("0", 64), "has a digest, which follows from its content (name a tag)"},
		{"--platform linux/arm64,linux/arm64/v8 -o out", "output local: platform linux/arm64 is given twice"},
		{"--push", "output image: the image needs a name to be pushed (-t NAME)"},
		{"--builder unix:///x --push", "output image: the image needs a name to be pushed (-t NAME)"},
		{"-o type=oci,dest=x,push=true", "output oci: push=true needs type=image"},
		{"-o type=oci,dest=x --annotation index:k=v", "annotation k of an index: needs several platforms (use manifest:k=VALUE)"},
		{"-o type=oci,dest=x --annotation index-descriptor:k=v", "annotation k of an index-descriptor: needs several platforms"},
		{"--platform linux/amd64 -o type=oci,dest=x --annotation manifest[linux/arm64]:k=v", "annotation k of platform linux/arm64: the platform is not built (--platform)"},
		{"-o type=oci,dest=x -o type=tar,dest=x", `output tar: "x" is the file of another output too`},
		{"-o type=tar,dest=" + dir, `output tar: "` + dir + `" is a directory (name a file in it)`},
		{"-o " + filepath.Join(dir, "a"), `output local: "` + filepath.Join(dir, "a") + `" is not a directory`},
		{"-o type=local,dest=-", "output local: a directory cannot go to standard output (use type=tar)"},
		{"-o type=oci,dest=x,source-date-epoch=now", `output oci: source-date-epoch: "now" is not a number of seconds`},
		{"-o type=oci,dest=x,rewrite-timestamp=now", "output oci: rewrite-timestamp=now is neither true nor false"},
		{"--allow foo", `privilege "foo": unknown (want network.host, security.insecure, device or device=NAME)`},
		{"--allow device=x,y", `entitlement "device=x,y": want device`},
		{"--builder unix:///x --allow foo", `privilege "foo": unknown`},
		{"--shm-size 99999999999999999999", "--shm-size 99999999999999999999: too large (want less than 8 EiB)"},
		{"--explain=x", `--explain: unknown value "x" (want misses or keys)`},
		{"--explain=keys --progress rawjson", "--explain: standard error has JSON only with --progress=rawjson"},
		{"--builder unix:///x --explain=keys", "--explain is for builds in this process"},
		{"--explain --progress rawjson", "--explain: standard error has JSON only with --progress=rawjson"},
		{"--builder unix:///x --iidfile id", "--iidfile: a builder has the ID of an image that is an output"},
		{"--iidfile " + dir, `--iidfile: "` + dir + `" is a directory (name a file in it)`},
		{"--metadata-file /does/not/exist/x", `--metadata-file: "/does/not/exist" is not a directory`},
		{"--metadata-file x --iidfile x", `--metadata-file: "x" is the file of --iidfile too`},
		{"--iidfile x -o type=oci,dest=x", `--iidfile: "x" is the file of --output too`},
		{"--check --metadata-file x", "--metadata-file is about an image, and --call=check makes none"},
		{"--attest type=provenance,mode=most", "mode=most: unknown mode (want min or max)"},
		{"--attest type=other", `unknown type "other" (use sbom or provenance)`},
		{"--memory-swap 2g", "memory has no limit (add --memory)"},
		{"-o type=oci,dest=x,compression=estargz", "compression=estargz requires a BuildKit daemon (choose one with --builder, or buildctl --addr)"},
		{"-o type=oci,dest=x,compression=lz4", `unknown compression "lz4" (use gzip, zstd or uncompressed)`},
		{"-o type=oci,dest=x,compression=zstd,compression-level=30", "compression level 30 is not in the range from 0 to 22"},
		{"-o type=oci,dest=x,compression-level=best", "compression-level=best is not a number"},
		{"-o type=tar,dest=x,compression=zstd", "output tar: compression=zstd requires a BuildKit daemon (choose one with --builder, or buildctl --addr)"},
		{"-o type=oci,dest=x,force-compression=maybe", "force-compression=maybe is neither true nor false"},
		{"-o type=image", "output image: the image needs a name to be stored (-t NAME)"},
		{"-o type=registry,dest=x", "output image has no dest=PATH"},
		{"-o type=oci,dest=x,push=maybe", "push=maybe is neither true nor false"},
		{"-o - -o type=oci,dest=-", "only one output can go to standard output"},
		{"-q -o -", "use --iidfile"},
		{"-t UPPER", `image name "UPPER": `},
		{"--progress fancy", `--progress: unknown mode "fancy" (use auto, plain, tty, rawjson, quiet or none)`},
		{"-q --progress plain", "--quiet: conflicts with --progress=plain (use only one of them)"},
		{"--platform linux/x/y/z", `--platform "linux/x/y/z": `},
		{"--network bridge", "unknown network (use default, none or host)"},
		{"--add-host x", "--add-host x is not HOST:IP"},
		{"--add-host x:y", "--add-host x:y is not HOST:IP"},
		{"--ulimit nofile", "--ulimit nofile: "},
		{"--shm-size big", "--shm-size big: not a size (want bytes, or a number with a unit such as 64m)"},
		{"--builder unix:///x --memory 99999999999999999999", "too large (want less than 8 EiB)"},
		{"--keep-storage 99999999999999999999GB", "is too large (use 20GB, 10% or unlimited)"},
		{"--annotation x", "--annotation x is not KEY=VALUE"},
		{"--annotation layer:x=y", `unknown type "layer"`},
		{"--secret id=x,type=blob", `unknown type "blob"`},
		{"--secret id=x,env=NO_SUCH_VARIABLE", "the environment has no NO_SUCH_VARIABLE"},
		{"--secret src=x", "has no id"},
		{"--ssh default=/does/not/exist", "no such file or directory"},
		{"--ssh default=" + filepath.Join(dir, "a"), "is neither a socket nor a private key"},
		{"--build-context x", "--build-context x is not NAME=VALUE"},
		{"--build-arg =x", "--build-arg =x is not KEY=VALUE"},
		{"--cache-to type=tape", `unknown type "tape" (use registry or local,`},
		{"--cache-from type=local", "a local cache needs src=DIRECTORY"},
		{"--cache-to a=b", "it has no type=TYPE"},
		{"--call magic", `--call: unknown call "magic" (want build, check, convertllb, eject, graph, outline, plan or targets)`},
		{"--call check,format=xml", `format=xml: unknown format "xml" (use text or json)`},
		{"--call graph,format=dott", `format=dott: unknown format "dott" (did you mean dot?)`},
		{"--call graph,format=picture", `unknown format "picture" (use text, json, dot, mermaid, svg or html)`},
		{"--call plan,format=dot", `(use text or json)`},
		{"--call plan --graph x.html", "--graph is about a build, and --call=plan makes none"},
		{"--graph x.svg", "--graph: \"x.svg\" is an HTML page, so name it FILE.html (slipway graph --format svg prints another format)"},
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
	for words, want := range map[string]string{
		"biuld .":        `unknown command "biuld" (did you mean build?); slipway --help lists them`,
		"cache prunee":   `unknown command "prunee" (did you mean prune?); slipway cache --help lists them`,
		"cache ls x":     `takes no arguments, not ["x"]`,
		"completion bsh": `unknown command "bsh" (did you mean bash?); slipway completion --help lists them`,
	} {
		if code, told := slipway(t, strings.Fields(words)...); code != exitUsage || told != "slipway: "+want+"\n" {
			t.Errorf("%s: exit code %d, told %q, want %s", words, code, told, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	for address, want := range map[string]string{
		"unix:///does/not/exist": "dial unix /does/not/exist: connect: no such file or directory",
		"docker-container://x":   "exec: \"docker\": executable file not found in $PATH",
	} {
		code, told := slipway(t, "build", "--builder", address, dir)
		if code != exitFailed || told != "error: builder "+address+" does not answer: "+want+"\n" {
			t.Errorf("no builder: exit code %d, told %q", code, told)
		}
	}
}

// TestOutputLimits checks that BUILDKIT_STEP_LOG_MAX_SIZE and BUILDKIT_STEP_LOG_MAX_SPEED
// cause a usage error if their value is not a number of bytes.
func TestOutputLimits(t *testing.T) {
	for _, value := range []string{"2MB", "-2", "2147483648"} {
		for _, variable := range []string{"BUILDKIT_STEP_LOG_MAX_SIZE", "BUILDKIT_STEP_LOG_MAX_SPEED"} {
			t.Setenv(variable, value)
			code, told := slipway(t, "build", t.TempDir())
			if want := "slipway: " + variable + ": \"" + value + "\" is not a number of bytes (use -1 for no limit)\n"; code != exitUsage || told != want {
				t.Errorf("exit code %d: %q, want %q", code, told, want)
			}
			t.Setenv(variable, "")
		}
	}
}

// TestEnvironment checks that the environment variables of docker build set defaults, and
// that flags override them.
func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"proxies": {"default": {"httpProxy": "http://proxy", "noProxy": "local"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	old := config.Dir()
	t.Cleanup(func() { config.SetDir(old) })
	config.SetDir(dir)
	for k, v := range map[string]string{
		"BUILDKIT_PROGRESS": "plain", "SOURCE_DATE_EPOCH": "7",
		"ACTIONS_CACHE_SERVICE_V2": "true", "ACTIONS_RUNTIME_TOKEN": "token", "ACTIONS_RESULTS_URL": "https://results", "ACTIONS_CACHE_URL": "https://cache",
	} {
		t.Setenv(k, v)
	}
	parsed := func(args ...string) *buildFlags {
		t.Helper()
		f := &buildFlags{}
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.define(fs)
		if err := fs.Parse(args); err != nil {
			t.Fatal(err)
		}
		f.opt.Context = dir
		if err := f.parse(fs); err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := parsed("--builder", "unix:///x", "--cache-to", "type=gha,scope=s", "--cache-from", "type=gha,version=1,token=mine")
	want := map[string]string{"SOURCE_DATE_EPOCH": "7", "HTTP_PROXY": "http://proxy", "http_proxy": "http://proxy", "NO_PROXY": "local", "no_proxy": "local"}
	if diff := cmp.Diff(want, f.opt.BuildArgs); diff != "" || f.progress != "plain" {
		t.Errorf("progress %s, arguments (-want +got):\n%s", f.progress, diff)
	}
	if diff := cmp.Diff(map[string]string{"scope": "s", "version": "2", "token": "token", "url": "https://cache", "url_v2": "https://results"}, f.opt.CacheTo[0].Attrs); diff != "" {
		t.Errorf("cache to (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"version": "1", "token": "mine", "url": "https://cache"}, f.opt.CacheFrom[0].Attrs); diff != "" {
		t.Errorf("cache from (-want +got):\n%s", diff)
	}
	if o := *f.opt.Output; o.Size != 2<<20 || o.Speed != 200<<10 {
		t.Errorf("limits of output %v, want BuildKit's", o)
	}
	t.Setenv("BUILDKIT_STEP_LOG_MAX_SIZE", "-1")
	t.Setenv("BUILDKIT_STEP_LOG_MAX_SPEED", "300")
	if o := *parsed().opt.Output; o.Size != -1 || o.Speed != 300 {
		t.Errorf("limits of output %v, want the environment's", o)
	}
	local := platforms.FormatAll(platforms.Normalize(platforms.DefaultSpec()))
	for _, tc := range []struct{ variable, flag, want string }{
		{"linux/arm64", "", "linux/arm64"},
		{"linux/arm64,LOCAL", "", "linux/arm64," + local},
		{"linux/arm64", "linux/amd64,local", "linux/amd64," + local},
		{"", "linux/arm/v7,linux/arm64/v8", "linux/arm/v7,linux/arm64"},
		{"", "", ""},
	} {
		t.Setenv("DOCKER_DEFAULT_PLATFORM", tc.variable)
		args := []string{"--builder", "unix:///x"}
		if tc.flag != "" {
			args = append(args, "--platform", tc.flag)
		}
		if got := strings.Join(parsed(args...).opt.Platforms, ","); got != tc.want {
			t.Errorf("DOCKER_DEFAULT_PLATFORM=%s --platform=%s: platforms %s, want %s", tc.variable, tc.flag, got, tc.want)
		}
	}
	f = parsed("--builder", "unix:///x", "-m", "1g", "--memory-swap=-1", "--cpu-quota", "0", "--resource", "cpuset-cpus=0-1", "--resource", "cpu-shares=5")
	if diff := cmp.Diff(map[string]string{"memory": "1073741824", "memswap": "-1", "cpuquota": "", "cpusetcpus": "0-1", "cpushares": "5"}, f.opt.Resources); diff != "" || len(f.warnings) > 0 {
		t.Errorf("warnings %v, limits (-want +got):\n%s", f.warnings, diff)
	}
	f = parsed("--progress", "quiet", "--build-arg", "SOURCE_DATE_EPOCH=8", "--build-arg", "HTTP_PROXY=")
	if f.progress != "quiet" || f.opt.BuildArgs["SOURCE_DATE_EPOCH"] != "8" || f.opt.BuildArgs["HTTP_PROXY"] != "" {
		t.Errorf("flags do not override the environment: %s, %v", f.progress, f.opt.BuildArgs)
	}
}

// TestInterrupted checks a build that gets a signal while a download hangs: its exit code,
// and the files that it leaves.
func TestInterrupted(t *testing.T) {
	interrupted(t, os.Interrupt, exitInterrupted)
	interrupted(t, syscall.SIGTERM, exitTerminated)
}

func interrupted(t *testing.T, sig os.Signal, want int) {
	t.Helper()
	asked, done := make(chan bool, 1), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		select {
		case <-r.Context().Done():
		case <-done:
		}
	}))
	t.Cleanup(func() { close(done); s.Close() })
	dir, out := testcontext.New(t, "FROM scratch\nADD "+s.URL+"/f /\n"), t.TempDir()
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
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != want || told.String() != "slipway: interrupted\n" {
		t.Errorf("%v: exit code %d, want %d; told %s", sig, code, want, told.String())
	}
	if list, err := os.ReadDir(out); err != nil || len(list) > 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// TestInterruptedStep checks that a step is reported as canceled, not as failed, if a signal
// ends the build.
func TestInterruptedStep(t *testing.T) {
	dir := testcontext.New(t, "FROM scratch\nCOPY base /\nRUN echo be\"\"gun; while :; do cat /bin/sh > /x; done\n")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "plain", dir)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	var told strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		told.WriteString(lines.Text() + "\n")
		if strings.HasSuffix(lines.Text(), " begun") {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait()
	text := told.String()
	if code := cmd.ProcessState.ExitCode(); code != exitTerminated || !strings.Contains(text, " CANCELED\n") || strings.Contains(text, "ERROR") || strings.Contains(text, "------") {
		t.Errorf("exit code %d, want %d; told\n%s", code, exitTerminated, text)
	}
}

// newKey returns a new SSH key and the PEM block that encodes it.
func newKey(t *testing.T) (ed25519.PrivateKey, *pem.Block) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return private, block
}

// TestServeKeys checks that serveKeys serves exactly the given keys, and that stop removes
// the socket.
func TestServeKeys(t *testing.T) {
	private, block := newKey(t)
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
	agents := func(flag string) (*buildFlags, error) {
		f := &buildFlags{}
		var err error
		if f.agents, err = parseAgents([]string{flag}); err != nil {
			t.Fatal(err)
		}
		return f, f.readInputs(t.Context())
	}
	if _, err := agents("x=" + filepath.Join(dir, "protected")); err == nil || !strings.Contains(err.Error(), "add it to an agent with ssh-add") {
		t.Errorf("key with a passphrase: error %v", err)
	}
	f, err := agents("x=" + filepath.Join(dir, "key"))
	if err != nil {
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
		t.Error("the directory of the socket still exists")
	}
}
