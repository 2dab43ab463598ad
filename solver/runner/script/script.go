package script

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/solver/runner"
	"slipway/solver/runner/inprocess"
	"slipway/solver/tree"
)

// Step specifies what a process with a matching command does. The process waits for
// Delay, writes Files, removes the paths in Remove, calls Do, prints Stdout and Stderr,
// and exits with Exit.
type Step struct {
	// Run is a pattern for the command: the script if a shell is called with -c,
	// otherwise the arguments joined with spaces. Each * matches any text.
	Run string
	// Times is the maximum number of processes that can match the step. Further
	// processes match later steps. If Times is 0, there is no limit.
	Times int

	Delay  time.Duration                            // cut short if the build is canceled
	Files  map[string]string                        // files to write, by path; a path ending in / is a directory
	Remove []string                                 // paths to remove
	Do     func(ctx context.Context, c *Call) error // if nil, it is not called
	Stdout string
	Stderr string
	Exit   int   // exit code
	Err    error // error of a process that cannot be started; Run returns it unchanged
}

// Runner is a fake [runner.Runner] and [runner.Opener] that performs the steps of a
// test instead of executing programs. Safe for concurrent use.
type Runner struct {
	inprocess.Runner
	steps []Step

	mu       sync.Mutex
	counts   []int    // number of processes that matched each step
	commands []string // see Commands
}

// New returns a runner that performs the given steps. Each process performs the first
// step whose pattern matches its command. Written files have the Unix time 0, so that
// results are reproducible. The runner must not be copied.
func New(store *tree.Store, steps ...Step) *Runner {
	r := &Runner{steps: steps, counts: make([]int, len(steps))}
	r.Runner = inprocess.Runner{
		Store: store, Now: func() time.Time { return time.Unix(0, 0) }, Exec: r.exec, Signals: true,
	}
	return r
}

// Commands returns the commands of all processes so far, in the order in which they
// started.
func (r *Runner) Commands() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.commands...)
}

// UnusedSteps returns the patterns of the steps that no process has performed.
func (r *Runner) UnusedSteps() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for i, s := range r.steps {
		if r.counts[i] == 0 {
			list = append(list, s.Run)
		}
	}
	return list
}

// Call gives [Step].Do access to a process and its files. Relative paths start in the
// working directory. Paths may lead through symbolic links and mounts.
type Call struct {
	*runner.Process
	files *inprocess.Files
}

func (c *Call) path(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(c.Dir, name)
}

// ReadFile returns the content of a file that the process sees.
func (c *Call) ReadFile(name string) ([]byte, error) { return c.files.Read(c.path(name)) }

// WriteFile writes a file and creates missing parent directories. If the path ends in
// /, it creates a directory.
func (c *Call) WriteFile(name, data string) error {
	dir := path.Dir(c.path(name))
	if strings.HasSuffix(name, "/") {
		dir = c.path(name)
	}
	c.files.Lock()
	at, err := c.files.ResolveWritable(dir, true)
	if err == nil {
		_, err = c.files.MkdirAll(at, c.files.Meta(0o755))
	}
	c.files.Unlock()
	if err != nil || strings.HasSuffix(name, "/") {
		return err
	}
	return c.files.Write(c.path(name), []byte(data))
}

// Chmod sets the permission bits of a file, such as 0o755.
func (c *Call) Chmod(name string, mode uint32) error {
	c.files.Lock()
	defer c.files.Unlock()
	n, err := c.files.Find("chmod", c.path(name), true)
	if err != nil {
		return err
	}
	at, err := c.files.ResolveWritable(c.path(name), true)
	if err != nil {
		return err
	}
	m := n.Meta()
	m.Mode = mode
	return c.files.SetMeta(at, m)
}

// Remove removes a file, or a directory with everything below it.
func (c *Call) Remove(name string) error {
	c.files.Lock()
	defer c.files.Unlock()
	at, err := c.files.ResolveWritable(c.path(name), false)
	if err != nil {
		return err
	}
	return c.files.Editor.Remove(at)
}

// exec performs the first matching step for p and returns its exit code.
func (r *Runner) exec(ctx context.Context, f *inprocess.Files, p *runner.Process) (int, error) {
	s, err := r.findStep(command(p))
	if err != nil {
		return 0, err
	}
	if s.Delay > 0 {
		select {
		case <-time.After(s.Delay):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	if s.Err != nil {
		return 0, s.Err
	}
	c := &Call{Process: p, files: f}
	if err := c.WriteFile(p.Dir+"/", ""); err != nil && p.Dir != "/" {
		return 0, fmt.Errorf("working directory: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		if err := c.WriteFile(name, s.Files[name]); err != nil {
			return 0, err
		}
	}
	for _, name := range s.Remove {
		if err := c.Remove(name); err != nil {
			return 0, err
		}
	}
	if s.Do != nil {
		if err := s.Do(ctx, c); err != nil {
			return 0, err
		}
	}
	return s.Exit, printOutput(p, s)
}

// printOutput writes s.Stdout and s.Stderr to the output streams of p.
func printOutput(p *runner.Process, s *Step) error {
	for _, out := range []struct {
		to   io.Writer
		text string
	}{{p.Stdout, s.Stdout}, {p.Stderr, s.Stderr}} {
		if out.to != nil && out.text != "" {
			if _, err := io.WriteString(out.to, out.text); err != nil {
				return err
			}
		}
	}
	return nil
}

// command returns the text that is matched against the patterns of steps. If the
// arguments of p have the form SHELL -c SCRIPT, the text is SCRIPT. Otherwise it
// consists of all arguments, separated by spaces.
func command(p *runner.Process) string {
	if len(p.Args) == 3 && p.Args[1] == "-c" {
		return p.Args[2]
	}
	return strings.Join(p.Args, " ")
}

// findStep returns the first step that matches a command and has not reached its limit,
// [Step].Times. It counts the match and records the command. If it finds no step, the
// error lists all steps.
func (r *Runner) findStep(command string) (*Step, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.steps {
		s := &r.steps[i]
		if matches(s.Run, command) && (s.Times == 0 || r.counts[i] < s.Times) {
			r.counts[i]++
			r.commands = append(r.commands, command)
			return s, nil
		}
	}
	text := fmt.Sprintf("script: no step matches %q (add one to these):", command)
	for i, s := range r.steps {
		text += fmt.Sprintf("\n\t%q", s.Run)
		if s.Times > 0 && r.counts[i] == s.Times {
			text += ", which has matched as often as it may"
		}
	}
	return nil, fmt.Errorf("%s", text)
}

// matches reports whether text matches a pattern, in which * matches any text.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[last])
}
