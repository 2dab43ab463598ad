//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/containerd/console"

	"slipway/integration/poll"
)

// runJobs runs the given builds, except for those that the builder does not support. It returns
// the outcomes of their probes.
func (s *site) runJobs(ctx context.Context, list []job, verbose bool) (*outcomes, error) {
	out := newOutcomes()
	for _, j := range list {
		if !strings.HasPrefix(j.name, s.jobPrefix) || j.name == s.skippedJob {
			continue
		}
		start := time.Now()
		if err := s.runJob(ctx, j, out); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.name, j.name, err)
		}
		if verbose {
			fmt.Printf("%s: %s took %.1f s\n", s.name, j.name, time.Since(start).Seconds())
		}
	}
	return out, nil
}

// runJob runs the build j and adds the outcomes of its probes to out: which privileges were
// granted or refused.
func (s *site) runJob(ctx context.Context, j job, out *outcomes) error {
	s.agent.takeTypes()
	b, err := s.start(ctx, j)
	if err != nil {
		return err
	}
	switch {
	case j.kill:
		err = s.killWhenReady(ctx, b, out)
	case j.race:
		err = s.raceMounts(ctx, b)
	}
	logs, message, failed := b.wait()
	if err != nil {
		return fmt.Errorf("%w\n%s%s", err, logs, message)
	}
	out.parse(logs)
	if failed != nil && !j.kill {
		if j.refusal == nil || !j.refusal.MatchString(logs+message) {
			return fmt.Errorf("%w\n%s%s", failed, logs, message)
		}
		out.refused[j.name] = logs + message
	}
	if want := j.markers(); failed == nil && len(endMarker.FindAllString(logs, -1)) < want {
		return fmt.Errorf("fewer than %d steps ended:\n%s", want, logs)
	}
	return s.inspect(j, out)
}

// endMarker matches the line that the probe program prints last.
var endMarker = regexp.MustCompile(`(?m)^! `)

// markers returns the number of lines in the output of job j that must match endMarker: one for
// each RUN step, except for the steps that execute the builder's own program.
func (j job) markers() int {
	return strings.Count(j.dockerfile, "RUN ") - strings.Count(j.dockerfile, `["/proc/self/exe"`)
}

// inspect looks for effects of job j outside its build, such as new files on the host or
// messages to the SSH agent. It records each effect in out as a granted privilege, and
// restores the changed files.
func (s *site) inspect(j job, out *outcomes) error {
	for _, t := range s.agent.takeTypes() {
		out.granted[fmt.Sprintf("agent/arrived/%d", t)] = true
	}
	changed, err := s.restoreHost()
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		out.granted["host-directory/"+j.name] = true
		out.refused["host-directory/"+j.name] = strings.Join(changed, " ")
	}
	damaged, err := s.restoreProgram()
	if damaged {
		out.granted["exe/mode"] = true
	}
	return err
}

// running represents a build in progress. Its functions kill the build and wait for its end.
type running struct {
	ready chan struct{} // closed when a step prints that it is ready
	kill  func() error
	wait  func() (logs, message string, err error)
}

// start starts the build of job j with a new terminal as the controlling terminal.
func (s *site) start(ctx context.Context, j job) (*running, error) {
	dir, err := os.MkdirTemp(s.dir, "job-")
	if err != nil {
		return nil, err
	}
	args, err := s.replacer()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(args.Replace(j.dockerfile)), 0o644)); err != nil {
		return nil, err
	}
	master, name, err := console.NewPty()
	if err != nil {
		return nil, err
	}
	slave, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	cmd := s.command(ctx, dir)
	cmd.Dir, cmd.WaitDelay = dir, 10*time.Second
	terminal(cmd, slave)
	pipe, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err := errors.Join(err, slave.Close()); err != nil {
		return nil, errors.Join(err, master.Close())
	}
	go io.Copy(io.Discard, master)
	r := &running{ready: make(chan struct{}), kill: cmd.Process.Kill}
	var once sync.Once
	var logs, message string
	done := make(chan error, 1)
	go func() {
		var err error
		logs, message, err = progress(pipe, func(text string) {
			if strings.Contains(text, "! ready") {
				once.Do(func() { close(r.ready) })
			}
		})
		done <- err
	}()
	r.wait = func() (string, string, error) {
		err := errors.Join(<-done, cmd.Wait(), master.Close(), os.RemoveAll(dir))
		return logs, message, err
	}
	return r, nil
}

// killWhenReady kills the builder as soon as a step can read the build secret. It searches
// the state of the builder for the secret before and after the kill, and adds a privilege
// to out each time that it finds the secret.
func (s *site) killWhenReady(ctx context.Context, b *running, out *outcomes) error {
	select {
	case <-b.ready:
	case <-time.After(30 * time.Second):
		return errors.New("no step is ready")
	}
	found, err := containsText(s.state(), s.secret)
	if err != nil {
		return err
	}
	if found {
		out.granted["secret/while-running"] = true
	}
	if err := b.kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	// A process that outlives the builder may remove the secret.
	gone := poll.Until(ctx, killTime, func() bool {
		found, err = containsText(s.state(), s.secret)
		return err != nil || !found
	})
	if !gone {
		out.granted["secret/after-kill"] = true
	}
	return err
}

// killTime limits how long the processes of a killed builder may take to remove secrets.
const killTime = 10 * time.Second

// containsText reports whether a file below dir contains the given text. It ignores files
// larger than 64 KiB, because a file with only the secret is smaller.
func containsText(dir, text string) (bool, error) {
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() > 1<<16 {
			return nil // a file with only the secret is smaller
		}
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(content, []byte(text)) {
			found = true
		}
		return nil
	})
	return found, err
}

// raceMounts tries to redirect mounts to the host directory. In the build b, a step repeatedly
// replaces a part of a cache directory with a link to the host directory. Meanwhile raceMounts
// runs builds that mount filesystems below the same cache directory. Finally it runs a build
// that makes the step in b exit.
func (s *site) raceMounts(ctx context.Context, b *running) error {
	select {
	case <-b.ready:
	case <-time.After(30 * time.Second):
		return errors.New("no step is ready")
	}
	const cache = "RUN --mount=type=cache,id=race,target=/c "
	for n := range 8 {
		text := "FROM probe:{column}-base\n"
		for i := range 5 {
			text += fmt.Sprintf(cache+"--mount=type=tmpfs,target=/c/d/%d-%d "+`["/probe","race","run"]`+"\n", n, i)
		}
		other, err := s.start(ctx, job{dockerfile: text})
		if err != nil {
			return err
		}
		other.wait() // the builder may reject the mount
	}
	last, err := s.start(ctx, job{dockerfile: "FROM probe:{column}-base\n" + cache + `["/bin/mkdir","/c/stop"]` + "\n"})
	if err != nil {
		return err
	}
	_, message, err := last.wait()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, message)
	}
	return nil
}
