package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"golang.org/x/term"
)

// isColored reports whether text written to f should have colors.
func isColored(f *os.File) bool { return isTerminal(f) && os.Getenv("NO_COLOR") == "" }

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// parseProgress validates the value of --progress and applies --quiet to the progress mode.
// Unless the progress mode is quiet or rawjson, parseProgress makes the build write log
// messages to standard error.
func (f *buildFlags) parseProgress(given flagSet) error {
	switch progressui.DisplayMode(f.progress) {
	case progressui.AutoMode, progressui.PlainMode, progressui.TtyMode, progressui.RawJSONMode, progressui.QuietMode, "none":
	default:
		return fmt.Errorf("--progress: unknown mode %q (use auto, plain, tty, rawjson, quiet or none)", f.progress)
	}
	quiet := f.quiet || f.opt.Call != ""
	switch {
	case f.quiet && given.Changed("progress") && f.progress != "quiet" && f.progress != "auto":
		return fmt.Errorf("--quiet: conflicts with --progress=%s (use only one of them)", f.progress)
	case f.progress == "none", quiet && (f.progress == "auto" || f.quiet):
		f.progress = string(progressui.QuietMode)
	}
	if f.progress != string(progressui.QuietMode) && f.progress != string(progressui.RawJSONMode) {
		f.opt.Log = os.Stderr
	}
	return nil
}

// showsProgress reports whether progress is shown as text.
func (f *buildFlags) showsProgress() bool {
	mode := progressui.DisplayMode(f.progress)
	return mode != progressui.QuietMode && mode != progressui.RawJSONMode
}

// redraws reports whether the progress display redraws its lines. Redrawing would
// overwrite other text on the terminal.
func (f *buildFlags) redraws() bool {
	mode := progressui.DisplayMode(f.progress)
	return mode == progressui.TtyMode || mode == progressui.AutoMode && isTerminal(os.Stderr)
}

// deferredOutput stores texts until the progress display has ended, and then writes them. Its
// writers are safe for concurrent use.
type deferredOutput struct {
	mu    sync.Mutex
	texts []deferredText
}

// deferredText is a stored text and the writer to which it will be written.
type deferredText struct {
	to   io.Writer
	data []byte
}

// writer returns a writer that collects texts until flush writes them to w. If w is nil,
// writer returns nil.
func (d *deferredOutput) writer(w io.Writer) io.Writer {
	if w == nil {
		return nil
	}
	return writerFunc(func(data []byte) (int, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.texts = append(d.texts, deferredText{w, bytes.Clone(data)})
		return len(data), nil
	})
}

// flush writes the collected texts to their writers, in the order in which they were collected.
func (d *deferredOutput) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.texts {
		_, _ = t.to.Write(t.data) // errors cannot be shown if the terminal is closed
	}
	d.texts = nil
}

// writerFunc is a function that implements [io.Writer].
type writerFunc func([]byte) (int, error)

// Write implements [io.Writer].
func (f writerFunc) Write(data []byte) (int, error) { return f(data) }

// printWarnings prints warnings from a build, each with the lines of the Dockerfile that caused
// it.
func (f *buildFlags) printWarnings(w io.Writer, list []client.VertexWarning, color bool) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	_ = f.opt.ReportWarnings(w, list, color) // an error on standard error cannot be shown anywhere
}
