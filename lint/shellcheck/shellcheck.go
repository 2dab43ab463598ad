package shellcheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"slipway/diag"
	"slipway/lint/script"
	"slipway/source"
)

// Bounds of a process.
const (
	maxScripts = 64               // scripts
	maxOutput  = 16 << 20         // bytes of output
	maxTime    = 10 * time.Second // until it is killed
)

// maxResults is the maximum number of scripts whose comments a Checker stores.
const maxResults = 4096

// Job is a script to check.
type Job struct {
	Script *script.Script
	Names  []string // the environment variables of the script
}

// Comment is a comment of ShellCheck about a script.
type Comment struct {
	Script   *script.Script
	Range    source.Range
	Code     string // such as SC2086
	Severity diag.Severity
	Message  string
	Edits    []diag.Edit // the correction; nil if none exists, or if the text cannot be edited
}

// Checker runs ShellCheck, one process at a time. Safe for concurrent use.
type Checker struct {
	program string
	warn    func(string)
	limit   time.Duration // after which a process is killed
	cached  bool          // whether no process is started
	*state
}

// state is the state that a Checker shares with its [Checker.Cached].
type state struct {
	running chan struct{} // has an element while a Checker starts processes
	failed  bool          // whether warn has been called; guarded by running

	mu      sync.Mutex
	results map[string][]comment // by the language and the checked text
	version string               // "" until a script needs it
}

// Open returns a Checker for a program, or for the program shellcheck on PATH if program is
// empty. The Checker calls warn once if the program fails.
func Open(program string, warn func(string)) (*Checker, error) {
	if program == "" {
		program = "shellcheck"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	return &Checker{program: path, warn: warn, limit: maxTime, state: &state{running: make(chan struct{}, 1), results: map[string][]comment{}}}, nil
}

// Cached returns a Checker that starts no process. It returns the comments about scripts that c
// has checked before.
func (c *Checker) Cached() *Checker {
	cached := *c
	cached.cached = true
	return &cached
}

// Path returns the path of the program.
func (c *Checker) Path() string { return c.program }

// Check returns the comments about scripts, in the order of the scripts. It omits scripts whose
// language ShellCheck does not know, and those in files that it failed to check. If ctx ends, it
// kills the process and returns the comments that are known.
func (c *Checker) Check(ctx context.Context, jobs []Job) []Comment {
	if !c.cached {
		select {
		case c.running <- struct{}{}:
			defer func() { <-c.running }()
		case <-ctx.Done():
			return nil
		}
	}
	inputs := make([]input, len(jobs))
	pending := map[string][]input{} // by language
	for i, j := range jobs {
		in, ok := c.input(ctx, j)
		if !ok {
			continue
		}
		inputs[i] = in
		if _, done := c.result(in); !done && !slices.Contains(pending[in.language], in) {
			pending[in.language] = append(pending[in.language], in)
		}
	}
	if !c.cached {
		c.runAll(ctx, pending)
	}
	var list []Comment
	for i, j := range jobs {
		comments, _ := c.result(inputs[i])
		for _, raw := range comments {
			if found, ok := raw.locate(j.Script, inputs[i]); ok {
				list = append(list, found)
			}
		}
	}
	return list
}

// runAll checks scripts, by language.
func (c *Checker) runAll(ctx context.Context, pending map[string][]input) {
	for _, language := range languages() {
		for batch := range slices.Chunk(pending[language], maxScripts) {
			if err := c.run(ctx, language, batch); err != nil {
				c.fail(ctx, err)
			}
		}
	}
}

// result returns the comments about a script that has been checked.
func (c *Checker) result(in input) (list []comment, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, done = c.results[in.key()]
	return list, done
}

// fail reports the first failure of the program.
func (c *Checker) fail(ctx context.Context, err error) {
	if ctx.Err() != nil || c.failed {
		return
	}
	c.failed = true
	c.warn(fmt.Sprintf("%s: %v (scripts are not checked with it)", c.program, err))
}

// input is a script as ShellCheck reads it: a line that declares variables and options, and the
// text.
type input struct {
	language string // the argument of -s
	busybox  bool   // whether the shell accepts more than the language
	text     string
}

// key identifies the comments about the input.
func (in input) key() string { return in.language + "\x00" + in.text }

// languages returns the arguments of -s, in the order in which processes are started.
func languages() []string { return []string{"sh", "dash", "busybox", "bash", "ksh"} }

// input returns the text to check. ok is false if ShellCheck cannot check the script.
func (c *Checker) input(ctx context.Context, j Job) (in input, ok bool) {
	s := j.Script
	switch s.Dialect {
	case script.POSIX, script.Bash, script.Ksh:
		in.language = s.Dialect.String()
	case script.Busybox:
		in.busybox = true
		in.language = "dash"
		if c.knowsBusybox(ctx) {
			in.language = "busybox"
		}
	case script.None, script.Zsh:
		return in, false
	}
	if strings.TrimSpace(s.Text) == "" || !utf8.ValidString(s.Text) || strings.Contains(s.Text, "\x00") {
		return in, false
	}
	in.text = preamble(j) + "\n" + s.Text + "\n"
	return in, true
}

// preamble returns the line before a script. Variables have no values, because ShellCheck does
// not report a variable without quotes whose value it knows.
func preamble(j Job) string {
	var b strings.Builder
	b.WriteString("export PATH")
	for _, name := range j.Names {
		if isName(name) {
			b.WriteString(" " + name)
		}
	}
	if j.Script.Options.Errexit {
		b.WriteString("; set -e")
	}
	if j.Script.Options.Pipefail {
		b.WriteString("; set -o pipefail")
	}
	return b.String()
}

// isName reports whether a shell variable may have the name.
func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// knowsBusybox reports whether the program has the language busybox: version 0.10 and later.
func (c *Checker) knowsBusybox(ctx context.Context) bool {
	c.mu.Lock()
	version := c.version
	c.mu.Unlock()
	if version == "" && !c.cached {
		version = "unknown"
		out, err := c.output(ctx, "--version")
		if err != nil {
			c.fail(ctx, err)
		}
		for line := range strings.Lines(string(out)) {
			if v, ok := strings.CutPrefix(line, "version:"); ok {
				version = strings.TrimSpace(v)
			}
		}
		if ctx.Err() == nil {
			c.mu.Lock()
			c.version = version
			c.mu.Unlock()
		}
	}
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	x, errX := strconv.Atoi(major)
	y, errY := strconv.Atoi(minor)
	return errX == nil && errY == nil && (x > 0 || y >= 10)
}

// run checks scripts of one language with one process.
func (c *Checker) run(ctx context.Context, language string, batch []input) error {
	dir, err := os.MkdirTemp("", "slipway-shellcheck-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := []string{"--norc", "-f", "json1", "-s", language, "-e", strings.Join(excluded(), ","), "--"}
	for i, in := range batch {
		name := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(name, []byte(in.text), 0o600); err != nil {
			return err
		}
		args = append(args, name)
	}
	out, err := c.output(ctx, args...)
	if err != nil {
		return err
	}
	var answer struct{ Comments []comment }
	if err := json.Unmarshal(out, &answer); err != nil {
		return fmt.Errorf("invalid output: %w", err)
	}
	found := make([][]comment, len(batch))
	for _, cm := range answer.Comments {
		i, err := strconv.Atoi(filepath.Base(cm.File))
		if err != nil || i < 0 || i >= len(batch) {
			return fmt.Errorf("invalid output: unexpected file %q", cm.File)
		}
		found[i] = append(found[i], cm)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.results) > maxResults {
		clear(c.results) // an editor has changed scripts many times
	}
	for i, in := range batch {
		c.results[in.key()] = found[i]
	}
	return nil
}

// output runs the program and returns its standard output. The exit code 1 means that there are
// comments.
func (c *Checker) output(ctx context.Context, args ...string) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	cmd := exec.CommandContext(limited, c.program, args...)
	cmd.WaitDelay = time.Second
	var out, told bounded
	cmd.Stdout, cmd.Stderr = &out, &told
	// SHELLCHECK_OPTS could change the format. Without UTF-8, the program fails on other scripts.
	cmd.Env = slices.DeleteFunc(cmd.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "SHELLCHECK_OPTS=") || strings.HasPrefix(e, "LC_ALL=")
	})
	cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8")
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case out.full || told.full:
		return nil, fmt.Errorf("more than %d bytes of output", maxOutput)
	case limited.Err() != nil && ctx.Err() == nil:
		return nil, fmt.Errorf("killed after %v", c.limit)
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return out.data, nil
	case err != nil && len(told.data) > 0:
		line, _, _ := strings.Cut(strings.TrimSpace(string(told.data)), "\n")
		return nil, fmt.Errorf("%w: %s", err, line)
	}
	return out.data, err
}

// bounded is a buffer of at most maxOutput bytes.
type bounded struct {
	data []byte
	full bool
}

// Write implements io.Writer. It returns an error if the buffer is full.
func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > maxOutput {
		b.full = true
		return 0, errors.New("too much output")
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// excluded returns the codes that do not apply to Dockerfiles: files that are not in the context
// (1090, 1091), dash as the name of BusyBox's shell (2187), and the line #! (1128, 2148, 2239).
func excluded() []string {
	return []string{"SC1090", "SC1091", "SC2187", "SC1128", "SC2148", "SC2239"}
}
