package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/buildkit/util/progress/progressui"

	"slipway/answers"
	"slipway/builder"
	"slipway/solver/export"
)

// reportToTerminal is the value of --report without a file. The report is then written to standard
// error, because an output may go to standard output.
const reportToTerminal = "-"

// parseReport returns an error if --report names a file in an unknown format, or if standard error
// cannot take the report.
func (f *buildFlags) parseReport() error {
	switch f.report {
	case "":
		return nil
	case reportToTerminal:
		if f.progress == string(progressui.RawJSONMode) {
			return errors.New("--report: standard error has JSON only with --progress=rawjson (use --report=FILE)")
		}
	default:
		if _, err := reportFormat(f.report); err != nil {
			return err
		}
	}
	f.opt.Measure = true
	return nil
}

// reportFile returns the file of --report, or "" if the report goes to standard error.
func (f *buildFlags) reportFile() string {
	if f.report == reportToTerminal {
		return ""
	}
	return f.report
}

// reportFormat returns the format of the report in a file with the given name.
func reportFormat(name string) (answers.ReportFormat, error) {
	switch format := answers.ReportFormat(strings.TrimPrefix(filepath.Ext(name), ".")); format {
	case answers.ReportMarkdown, answers.ReportJSON, answers.ReportHTML:
		return format, nil
	}
	return "", fmt.Errorf("--report: the name of %q has no known format (want FILE.md, FILE.json or FILE.html)", name)
}

// finished returns what the recorder knows about a finished build. If the build failed, res may be nil.
func (r *recorder) finished(res *builder.Result, failed error, remote bool) answers.Finished {
	f := answers.Finished{Plan: r.plan, Vertices: r.list(), Failed: failed != nil, Remote: remote}
	if res != nil && failed == nil {
		f.Images = res.Measured
	}
	bySource := map[string]*answers.Transfer{}
	for _, t := range r.transfers {
		source := strings.TrimSuffix(strings.TrimPrefix(t.ID, transferring), ":")
		x := bySource[source]
		if x == nil {
			x = &answers.Transfer{Source: source}
			bySource[source], f.Transfers = x, append(f.Transfers, x)
		}
		x.Bytes += t.Current
		x.Milliseconds += t.milliseconds()
	}
	return f
}

// milliseconds returns how long the transfer took, or 0 if it has not started.
func (t *transfer) milliseconds() answers.Milliseconds {
	if t.Started == nil {
		return 0
	}
	end := t.Timestamp
	if t.Completed != nil {
		end = *t.Completed
	}
	return answers.Milliseconds(max(0, end.Sub(*t.Started)) / time.Millisecond)
}

// writeReport writes the report about a finished build to the destination of --report.
func (f *buildFlags) writeReport(ctx context.Context, finished answers.Finished) error {
	report := answers.NewReport(finished)
	file := f.reportFile()
	if file == "" {
		return report.Write(os.Stderr, answers.ReportText)
	}
	format, err := reportFormat(file)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := report.Write(&b, format); err != nil {
		return err
	}
	return export.Write(ctx, file, b.Bytes())
}
