package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"slipway/integration/baseimage"
	"slipway/integration/contained"
	"slipway/integration/toolbox"
)

const (
	gracePeriod   = 10 * time.Second // time between SIGTERM and SIGKILL
	registryStart = 30 * time.Second // maximum time until the registry logs its address
	timeout       = "45m"            // -test.timeout of the whole suite
)

// A testbed contains what all suites need to run.
type testbed struct {
	toolsDir  string // directory with buildkitd, buildctl and registry
	mirrorDir string // storage directory of the registry that replaces docker.io
	tmp       string
}

// newTestbed builds the tools and pushes the images that the suites need to the mirror of
// docker.io. It writes temporary files to the directory tmp.
func newTestbed(ctx context.Context, tmp string) (*testbed, error) {
	b := &testbed{tmp: tmp, mirrorDir: filepath.Join(tmp, "mirror")}
	for _, tool := range []string{"buildkitd", "buildctl", "registry"} {
		path, err := toolbox.Path(ctx, os.Stderr, tool)
		if err != nil {
			return nil, err
		}
		b.toolsDir = filepath.Dir(path)
	}
	return b, b.seedMirror(ctx)
}

// A suite is a compiled test program of BuildKit.
type suite struct {
	*testbed
	binary    string   // path of the test program
	sourceDir string   // source directory of the tested package, from which tests read files
	outer     []string // names of the tests to run; all others are their subtests
}

// dockerfileSuite returns the tests of BuildKit's Dockerfile frontend. It compiles them first.
func (b *testbed) dockerfileSuite(ctx context.Context) (*suite, error) {
	return b.suite(ctx, "upstream-suite", toolbox.SuitePackage, suiteTest)
}

// clientSuite returns the tests of BuildKit's client. It compiles them first.
func (b *testbed) clientSuite(ctx context.Context) (*suite, error) {
	return b.suite(ctx, "upstream-client-suite", toolbox.ClientSuitePackage, suiteTest, "TestClientGatewayIntegration")
}

// suite compiles a tool of package toolbox that is the test program of the package pkg.
func (b *testbed) suite(ctx context.Context, tool, pkg string, outer ...string) (s *suite, err error) {
	s = &suite{testbed: b, outer: outer}
	if s.binary, err = toolbox.Path(ctx, os.Stderr, tool); err != nil {
		return nil, err
	}
	s.sourceDir, err = toolbox.ModuleDir(ctx, pkg)
	return s, err
}

// seedMirror pushes the images that the suite pulls from docker.io into the storage directory
// of a registry. The suite itself starts a registry with this directory.
func (b *testbed) seedMirror(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(b.mirrorDir, "data"), 0o755); err != nil {
		return err
	}
	config := filepath.Join(b.mirrorDir, "config.yaml")
	text := fmt.Sprintf(`version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: %q
http:
  addr: 127.0.0.1:0
validation:
  manifests:
    urls:
      allow: ["^http://127[.]0[.]0[.]1:1/"]
`, filepath.Join(b.mirrorDir, "data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	images, err := baseimage.SuiteSet(ctx)
	if err != nil {
		return err
	}
	logFile := filepath.Join(b.tmp, "registry.log")
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(b.toolsDir, "registry"), "serve", config)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := contained.Start(cmd)
	if err != nil {
		return err
	}
	defer p.Stop(gracePeriod)
	addr, err := listenAddr(ctx, logFile, p)
	if err != nil {
		return err
	}
	return baseimage.Push(ctx, addr, images)
}

// listenAddr waits until a registry has logged the address that it listens on. It returns the
// address. The parameter p is the process of the registry.
func listenAddr(ctx context.Context, logFile string, p *contained.Process) (string, error) {
	listening := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	for deadline := time.Now().Add(registryStart); time.Now().Before(deadline); {
		b, err := os.ReadFile(logFile)
		if err != nil {
			return "", err
		}
		if m := listening.FindSubmatch(b); m != nil {
			return string(m[1]), nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-p.Done():
			return "", fmt.Errorf("registry exited: %s", b)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return "", errors.New("registry does not log its address")
}

// suiteTest is the name of the outer test, which runs all others of the Dockerfile suite and most
// of the client suite as subtests.
const suiteTest = "TestIntegration"

// runOptions selects the builder, the BuildKit worker and the tests for a run of a suite.
type runOptions struct {
	programs string   // directory with programs that precede the tools in PATH; "" for none
	env      []string // further environment variables
	worker   string   // kind of BuildKit worker: oci or containerd
	pattern  string   // regular expression for test names; "" for all tests
}

// run runs the suite and returns the outcomes. It writes each failure to progress as soon as the
// failure occurs, and all output to log.
func (s *suite) run(ctx context.Context, opt runOptions, progress, log io.Writer) (outcomes, error) {
	pattern := opt.pattern
	if pattern == "" {
		pattern = "^Test"
	}
	cmd := exec.Command(s.binary, "-test.v=test2json", "-test.timeout="+timeout,
		fmt.Sprintf("-test.run=^(%s)$/(%s)/^worker=%s$", strings.Join(s.outer, "|"), pattern, opt.worker))
	cmd.Dir = s.sourceDir
	cmd.Env = append([]string{
		"PATH=" + strings.Join([]string{opt.programs, s.toolsDir, os.Getenv("PATH")}, ":"),
		"HOME=" + s.tmp,
		"TMPDIR=" + s.tmp,
		"BUILDKIT_REGISTRY_MIRROR_DIR=" + s.mirrorDir,
	}, opt.env...)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	convert := exec.CommandContext(ctx, "go", "tool", "test2json")
	convert.Stdin, convert.Stderr = r, os.Stderr
	events, err := convert.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := convert.Start(); err != nil {
		return nil, fmt.Errorf("go tool test2json: %w", err)
	}
	p, err := contained.Start(cmd)
	w.Close()
	if err != nil {
		r.Close()
		return nil, errors.Join(err, convert.Wait())
	}
	context.AfterFunc(ctx, func() { p.Stop(gracePeriod) })
	got, errRead := readOutcomes(events, progress, log)
	err = p.Wait(ctx, gracePeriod)
	if errConvert := convert.Wait(); errRead == nil {
		errRead = errConvert
	}
	// Failed tests explain the exit code; anything else is an error of the run.
	if exit := new(exec.ExitError); errRead == nil && err != nil && !(errors.As(err, &exit) && len(got) > 0) {
		errRead = fmt.Errorf("the tests did not run: %w", err)
	}
	return got, errRead
}
