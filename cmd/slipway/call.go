package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/frontend/subrequests/convertllb"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"

	"slipway/answers"
	"slipway/builder"
	"slipway/frontend"
	"slipway/internal/suggest"
)

// foundError is the error for a check that has findings. It makes slipway exit with status 1.
// If the findings have already been printed, the text of the error is "".
type foundError struct{ text string }

func (e foundError) Error() string { return e.text }

// parseCall parses --call and --check, and rejects flags that have no effect with them.
func (f *buildFlags) parseCall(given flagSet) error {
	if f.check {
		if given.Changed("call") && f.call != "check" {
			return fmt.Errorf("--check is --call=check, and there is --call=%s", f.call)
		}
		f.call = "check"
	}
	name, rest, _ := strings.Cut(f.call, ",")
	for field := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(field, "=")
		var err error
		switch k {
		case "":
		case "format":
			f.format, err = callFormat(name, v)
		case "ignorestatus":
			f.ignoreStatus, err = strconv.ParseBool(v)
		default:
			err = errors.New("use format or ignorestatus")
		}
		if err != nil {
			return fmt.Errorf("--call %s: %s: %w", f.call, field, err)
		}
	}
	if name == "build" || name == "" {
		return nil
	}
	if err := f.setCall(name); err != nil {
		return err
	}
	if given.Changed("graph") {
		return fmt.Errorf("--graph is about a build, and --call=%s makes none (--call=graph,format=html prints a graph)", name)
	}
	if given.Changed("report") {
		return fmt.Errorf("--report is about a build, and --call=%s makes none", name)
	}
	for _, flag := range []string{"output", "push", "load", "iidfile", "quiet", "explain", "cache-to", "metadata-file"} {
		if given.Changed(flag) && f.answerFile == "" {
			return fmt.Errorf("--%s is about an image, and --call=%s makes none", flag, name)
		}
	}
	return nil
}

// setCall sets f.opt.Call to the request for the call with the given name.
func (f *buildFlags) setCall(name string) error {
	switch name {
	case "check", "lint":
		f.opt.Call = lint.RequestLint
	case "outline":
		f.opt.Call = outline.SubrequestsOutlineDefinition.Name
	case "targets":
		f.opt.Call = targets.SubrequestsTargetsDefinition.Name
	case "convertllb":
		f.opt.Call = convertllb.RequestConvertLLB
		if len(f.opt.Platforms) > 0 {
			f.warnings = append(f.warnings, "--platform has no effect on --call=convertllb: the LLB is for the platform of the builder")
		}
	case "eject":
		f.opt.Call = callEject
	case "subrequests.describe":
		f.opt.Call = subrequests.RequestSubrequestsDescribe
	case "plan":
		f.opt.Call = frontend.RequestPlan
	case "graph":
		f.opt.Call = graphRequest(f.format)
	default:
		const want = "want build, check, convertllb, eject, graph, outline, plan or targets"
		return fmt.Errorf("--call: unknown call %q (%s)", name, want)
	}
	return nil
}

// callFormat returns the format of the answer to a call, given as the value of format. All calls have
// the formats text and json, and the call graph has further ones.
func callFormat(call, value string) (string, error) {
	formats := []string{"text", "json"}
	if call == "graph" {
		formats = graphFormats()
	}
	if slices.Contains(formats, value) {
		return value, nil
	}
	hint := suggest.Hint(value, formats, true)
	if n := len(formats) - 1; hint == "" {
		hint = fmt.Sprintf(" (use %s or %s)", strings.Join(formats[:n], ", "), formats[n])
	}
	return "", fmt.Errorf("unknown format %q%s", value, hint)
}

// graphFormats returns the formats in which slipway prints a graph.
func graphFormats() []string {
	list := []string{"text", "json"}
	for _, f := range answers.Formats() {
		if f != answers.Tree {
			list = append(list, string(f))
		}
	}
	return list
}

// graphRequest returns the name of the subrequest for a graph in the given format. Every answer
// contains the JSON.
func graphRequest(format string) string {
	if format == "" || format == "text" || format == "json" {
		return frontend.RequestGraph
	}
	return frontend.RequestGraph + "." + format
}

// answer prints the result of a build with --call, such as the list of targets. The texts are
// the same as in docker build.
func (f *buildFlags) answer(w io.Writer, built *builder.Result) error {
	res := built.Answer
	if f.format == "json" {
		if _, err := fmt.Fprintln(w, string(res["result.json"])); err != nil {
			return err
		}
		return f.outcome(res)
	}
	var err error
	out := &watchedWriter{w: w}
	switch f.opt.Call {
	case lint.RequestLint:
		if built.Found != nil {
			return f.reportCheck(w, built)
		}
		return f.printCheck(w, res)
	case outline.SubrequestsOutlineDefinition.Name:
		err = outline.PrintOutline(res["result.json"], out)
	case targets.SubrequestsTargetsDefinition.Name:
		err = targets.PrintTargets(res["result.json"], out)
	case convertllb.RequestConvertLLB:
		err = printLLB(out, res["result.json"])
	case frontend.RequestPlan, graphRequest(f.format):
		_, err = out.Write(res["result.txt"])
	case callEject:
		return f.printEjected(w, res)
	default:
		err = subrequests.PrintDescribe(res["result.json"], out)
	}
	return cmp.Or(err, out.err)
}

// reportCheck prints the findings of a check by the built-in frontend.
func (f *buildFlags) reportCheck(w io.Writer, res *builder.Result) error {
	errs, err := res.ReportCheck(w, isColored(os.Stdout))
	switch {
	case err != nil:
		return err
	case errs > 0:
		return foundError{}
	}
	return f.outcome(res.Answer)
}

// printCheck prints the findings of a check by a frontend other than the built-in frontend.
func (f *buildFlags) printCheck(w io.Writer, res map[string][]byte) error {
	var found lint.LintResults
	if err := json.Unmarshal(res["result.json"], &found); err != nil {
		return fmt.Errorf("answer to the check: %w", err)
	}
	var b bytes.Buffer
	switch n := len(found.Warnings); {
	case n == 1:
		fmt.Fprintln(&b, "Check complete, 1 warning has been found!")
	case n > 1:
		fmt.Fprintf(&b, "Check complete, %d warnings have been found!\n", n)
	case found.Error == nil:
		fmt.Fprintln(&b, "Check complete, no warnings found.")
	}
	if err := found.PrintTo(&b, nil); err != nil {
		return err
	}
	if found.Error != nil && len(found.Warnings) > 0 {
		fmt.Fprintln(&b)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	if found.Error == nil {
		return f.outcome(res)
	}
	b.Reset()
	b.WriteString("ERROR: ")
	found.PrintErrorTo(&b, nil)
	return foundError{b.String()}
}

// outcome returns a foundError if the result of a build with --call has a status code other
// than 0. If the value of --call contains ignorestatus, it returns nil.
func (f *buildFlags) outcome(res map[string][]byte) error {
	if status := string(res["result.statuscode"]); status != "" && status != "0" && !f.ignoreStatus {
		return foundError{}
	}
	return nil
}
