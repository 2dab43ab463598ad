package main

import (
	"fmt"
	"io"
	"os"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"golang.org/x/term"

	"slipway/build"
)

// isColored tells where colours are of use.
func isColored(f *os.File) bool { return isTerminal(f) && os.Getenv("NO_COLOR") == "" }

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// parseProgress is how the build is shown.
func (f *buildFlags) parseProgress(given flagSet) error {
	switch progressui.DisplayMode(f.progress) {
	case progressui.AutoMode, progressui.PlainMode, progressui.TtyMode, progressui.RawJSONMode, progressui.QuietMode, "none":
	default:
		return fmt.Errorf("--progress %s: there are auto, plain, tty, rawjson, quiet and none", f.progress)
	}
	quiet := f.quiet || f.opt.Call != ""
	switch {
	case f.quiet && given.Changed("progress") && f.progress != "quiet" && f.progress != "auto":
		return fmt.Errorf("--quiet shows no progress, and there is --progress=%s", f.progress)
	case f.progress == "none", quiet && (f.progress == "auto" || f.quiet):
		f.progress = string(progressui.QuietMode)
	}
	if f.progress != string(progressui.QuietMode) && f.progress != string(progressui.RawJSONMode) {
		f.opt.Log = os.Stderr
	}
	return nil
}

// showsProgress tells whether there is progress for people to read.
func (f *buildFlags) showsProgress() bool {
	mode := progressui.DisplayMode(f.progress)
	return mode != progressui.QuietMode && mode != progressui.RawJSONMode
}

// printWarnings prints the warnings of a build with the lines that they are
// about.
func printWarnings(w io.Writer, list []client.VertexWarning, color bool) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	_ = build.ReportWarnings(w, list, color) // there is nowhere else to tell it
}
