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

// A suite is BuildKit's compiled test program and the directories that it needs to run.
type suite struct {
	binary    string // path of the test program
	sourceDir string // source directory of the tested package, from which tests read files
	toolsDir  string // directory with buildkitd, buildctl and registry
	mirrorDir string // storage directory of the registry that replaces docker.io
	tmp       string
}

// newSuite compiles the test program and pushes the images that the tests need to the mirror
// of docker.io. It writes temporary files to the directory tmp.
func newSuite(ctx context.Context, tmp string) (*suite, error) {
	s := &suite{tmp: tmp, mirrorDir: filepath.Join(tmp, "mirror")}
	for _, tool := range []string{"buildkitd", "buildctl", "registry"} {
		path, err := toolbox.Path(ctx, os.Stderr, tool)
		if err != nil {
			return nil, err
		}
		s.toolsDir = filepath.Dir(path)
	}
	var err error
	if s.binary, err = toolbox.Path(ctx, os.Stderr, "upstream-suite"); err != nil {
		return nil, err
	}
	if s.sourceDir, err = toolbox.ModuleDir(ctx, toolbox.SuitePackage); err != nil {
		return nil, err
	}
	return s, s.seedMirror(ctx)
}

// seedMirror pushes the images that the suite pulls from docker.io into the storage directory
// of a registry. The suite itself starts a registry with this directory.
func (s *suite) seedMirror(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(s.mirrorDir, "data"), 0o755); err != nil {
		return err
	}
	config := filepath.Join(s.mirrorDir, "config.yaml")
	text := fmt.Sprintf(`version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: %q
http:
  addr: 127.0.0.1:0
`, filepath.Join(s.mirrorDir, "data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	images, err := baseimage.SuiteSet(ctx)
	if err != nil {
		return err
	}
	logFile := filepath.Join(s.tmp, "registry.log")
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.toolsDir, "registry"), "serve", config)
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

// suiteTest is the name of the outer test of the suite, which runs all other tests as
// subtests.
const suiteTest = "TestIntegration"

// runOptions selects the frontend image, the BuildKit worker and the tests for a run of the
// suite.
type runOptions struct {
	archive string // path of the frontend image as an OCI archive
	worker  string // kind of BuildKit worker: oci or containerd
	pattern string // regular expression for test names; "" for all tests
}

// run runs the suite and returns the outcomes. It writes each failure to progress as soon as the
// failure occurs, and all output to log.
func (s *suite) run(ctx context.Context, opt runOptions, progress, log io.Writer) (outcomes, error) {
	pattern := opt.pattern
	if pattern == "" {
		pattern = "^Test"
	}
	cmd := exec.Command(s.binary, "-test.v=test2json", "-test.timeout="+timeout,
		fmt.Sprintf("-test.run=^%s$/%s/^worker=%s$", suiteTest, pattern, opt.worker))
	cmd.Dir = s.sourceDir
	cmd.Env = []string{
		"PATH=" + s.toolsDir + ":" + os.Getenv("PATH"),
		"HOME=" + s.tmp,
		"TMPDIR=" + s.tmp,
		"FRONTEND_GATEWAY_ONLY=local:" + opt.archive,
		"BUILDKIT_REGISTRY_MIRROR_DIR=" + s.mirrorDir,
	}
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
