package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"slipway/diag"
	"slipway/docs"
	"slipway/internal/suggest"
	"slipway/lint"
	"slipway/lint/config"
	"slipway/lint/report"
	"slipway/lint/rules"
	checks "slipway/linter/rules"
)

// lintFlags holds the flags of slipway lint.
type lintFlags struct {
	config        string
	noConfig      bool
	profile       string
	enable        []string
	ignore        []string
	only          []string
	levels        [4][]string // the rules of --error, --warning, --info and --style
	registries    []string
	labels        []string
	strictLabels  bool
	disablePragma bool
	failOn        string
	noFail        bool
	noColor       bool
	formats       []string
	context       string
	buildArgs     []string
	target        string
	stdinName     string
	shellCheck    string
	builds        string
	resolve       string
	state         string
	fix           bool
	unsafe        bool
	fixOnly       []string
	diff          bool
	baseline      string
	writeBaseline string
	suppressed    bool
	reportUnused  bool
	verbose       bool
	quiet         bool
	listRules     bool
	explain       string
}

func lintCommand() *cobra.Command {
	f := &lintFlags{}
	cmd := &cobra.Command{
		Use:   "lint [flags] [FILE|DIRECTORY|PATTERN|-]…",
		Short: "Check Dockerfiles for mistakes",
		Long: `Check Dockerfiles for mistakes, and fix them.

Directories are searched for files such as Dockerfile, Dockerfile.dev and
app.dockerfile. Without an argument, the current directory is searched.
A pattern may contain *, ? and **. The file - is standard input.

The rules are BuildKit's build checks and further ones. Codes of hadolint, such
as DL3008, are accepted wherever the name of a rule is.

A comment above an instruction suppresses findings:
    # hadolint ignore=DL3008,UnpinnedPip reason

The configuration is the nearest .slipway.yaml or .hadolint.yaml above the file.

Exit codes:
    0  nothing at or above --fail-on was found
    1  something was found
    2  the command line, the configuration or a path is wrong
  130  interrupted`,
		Example: `  slipway lint
  slipway lint --fix --diff Dockerfile
  slipway lint -f sarif=lint.sarif -f text .
  slipway lint --explain DL3008`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), cmd.Flags(), args)
		},
	}
	f.define(cmd.Flags())
	return cmd
}

// define defines the flags.
func (f *lintFlags) define(fs *pflag.FlagSet) {
	fs.StringVarP(&f.config, "config", "c", "", "`FILE` with the configuration")
	fs.BoolVar(&f.noConfig, "no-config", false, "Read no configuration")
	fs.StringVar(&f.profile, "profile", "", "`PROFILE` of rules: recommended, hadolint, all or none")
	fs.StringSliceVar(&f.enable, "enable", nil, "`RULE` to switch on")
	fs.StringSliceVar(&f.ignore, "ignore", nil, "`RULE` to switch off")
	fs.StringSliceVar(&f.only, "only", nil, "`RULE` to run; all others are switched off")
	for i, level := range []string{"error", "warning", "info", "style"} {
		fs.StringSliceVar(&f.levels[i], level, nil, "`RULE` whose severity is "+level)
	}
	fs.StringSliceVar(&f.registries, "trusted-registry", nil, "`PATTERN` of registries that images may come from")
	fs.StringSliceVar(&f.labels, "require-label", nil, "`KEY:TYPE` of a label that images need")
	fs.BoolVar(&f.strictLabels, "strict-labels", false, "Report labels other than those of --require-label")
	fs.BoolVar(&f.disablePragma, "disable-ignore-pragma", false, "Do not let comments suppress findings")
	fs.StringVarP(&f.failOn, "fail-on", "t", "", "`SEVERITY` from which findings fail the command: error, warning, info, style or none (default warning)")
	fs.BoolVar(&f.noFail, "no-fail", false, "Exit with 0 if something is found")
	fs.BoolVar(&f.noColor, "no-color", false, "Do not color the output")
	fs.StringArrayVarP(&f.formats, "format", "f", nil, "`FORMAT[=FILE]` of the report: "+strings.Join(report.Names(), ", ")+" (default text)")
	fs.StringVar(&f.context, "context", "", "`DIRECTORY` of the build context")
	fs.StringArrayVar(&f.buildArgs, "build-arg", nil, "`NAME=VALUE` of a build argument")
	fs.StringVar(&f.target, "target", "", "`STAGE` to build")
	fs.StringVar(&f.stdinName, "stdin-filename", "", "`PATH` of standard input in reports and for the configuration")
	fs.StringVar(&f.shellCheck, "shellcheck", "", "`PROGRAM` that checks scripts: a path, auto or off (default auto: shellcheck on PATH if it exists)")
	fs.StringVar(&f.builds, "builds", "", "`FILE` with builds, as docker buildx bake --print writes it; their Dockerfiles are checked with their arguments")
	fs.StringVar(&f.resolve, "resolve", "", "`MODE` of looking up base images: cached (stored by slipway build -t), never, or always (also in registries) (default cached)")
	fs.StringVar(&f.state, "state", "", "`DIRECTORY` of stored images (default slipway in the user's cache directory)")
	fs.BoolVar(&f.fix, "fix", false, "Apply fixes that do not change the image")
	fs.BoolVar(&f.unsafe, "unsafe", false, "With --fix, also apply fixes that may change the image")
	fs.StringSliceVar(&f.fixOnly, "fix-only", nil, "`RULE` whose findings --fix fixes")
	fs.BoolVar(&f.diff, "diff", false, "Print the fixes as a diff instead of writing them")
	fs.StringVar(&f.baseline, "baseline", "", "`FILE` with findings that are not reported")
	fs.StringVar(&f.writeBaseline, "write-baseline", "", "`FILE` to write all findings to, for --baseline")
	fs.Lookup("write-baseline").NoOptDefVal = defaultBaseline
	fs.BoolVar(&f.suppressed, "show-suppressed", false, "Include suppressed findings in SARIF reports")
	fs.BoolVar(&f.reportUnused, "report-unused", false, "Report comments that suppress nothing")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "Print which configuration is used, and what is unknown about a file")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "Print no report")
	fs.BoolVar(&f.listRules, "list-rules", false, "List all rules")
	fs.StringVar(&f.explain, "explain", "", "`RULE` to explain")
	fs.SetNormalizeFunc(lintAliases)
}

// defaultBaseline is the file of --write-baseline without a value.
const defaultBaseline = ".slipway-baseline.json"

// lintAliases accepts hadolint's names of flags.
func lintAliases(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "failure-threshold":
		name = "fail-on"
	case "file-path-in-report":
		name = "stdin-filename"
	}
	return pflag.NormalizedName(name)
}

// run executes the command slipway lint.
func (f *lintFlags) run(ctx context.Context, given flagSet, args []string) error {
	base := lint.New(rules.All(), lint.Settings{})
	switch {
	case f.explain != "":
		return explainRule(os.Stdout, base, f.explain)
	case f.listRules:
		return listRules(textTo(os.Stdout), base)
	}
	if err := f.check(base); err != nil {
		return usageError{err}
	}
	r := &lintRun{flags: f, base: base, given: given, configs: map[string]*lintConfig{}, resolvers: map[string]*lintImages{}}
	return r.run(ctx, args)
}

// check validates the values of flags.
func (f *lintFlags) check(base *lint.Linter) error {
	for _, list := range [][]string{f.enable, f.ignore, f.only, f.levels[0], f.levels[1], f.levels[2], f.levels[3], f.fixOnly} {
		for _, name := range list {
			if base.Expand(name) == nil {
				return fmt.Errorf("unknown rule %q%s (--list-rules lists them)", name, suggest.Hint(name, base.Names(), false))
			}
		}
	}
	for _, spec := range f.formats {
		name, _, _ := strings.Cut(spec, "=")
		if err := report.Check(name); err != nil {
			return fmt.Errorf("--format: %w", err)
		}
	}
	switch _, ok := config.Severity(f.failOn); {
	case f.failOn == "" || f.failOn == "none":
	case !ok || f.failOn == "off" || f.failOn == "ignore":
		return fmt.Errorf("--fail-on: unknown severity %q (want error, warning, info, style or none)", f.failOn)
	}
	if f.profile != "" && !(&config.Config{Settings: lint.Settings{Severity: map[string]diag.Severity{}}}).Profile(f.profile, base.Rules()) {
		return fmt.Errorf("--profile: unknown profile %q (want recommended, hadolint, all or none)", f.profile)
	}
	if f.resolve != "" && !slices.Contains(resolveModes(), f.resolve) {
		return fmt.Errorf("--resolve: unknown mode %q%s (want %s)", f.resolve, suggest.Hint(f.resolve, resolveModes(), true), strings.Join(resolveModes(), ", "))
	}
	if f.context != "" {
		if err := checkDir(f.context); err != nil {
			return fmt.Errorf("--context: %w", err)
		}
	}
	return f.checkFix()
}

// checkFix validates the flags about fixes.
func (f *lintFlags) checkFix() error {
	if (f.unsafe || f.diff || len(f.fixOnly) > 0) && !f.fix {
		f.fix = true
	}
	if f.fix && f.builds != "" {
		return errors.New("--builds and --fix exclude each other (a fix for one build may be wrong for another)")
	}
	if f.fix && f.writeBaseline != "" {
		return errors.New("--write-baseline and --fix exclude each other")
	}
	return nil
}

// explainRule prints the page of a rule.
func explainRule(w io.Writer, l *lint.Linter, name string) error {
	r := l.Rule(name)
	if r == nil && lint.IsShellCheck(name) {
		_, err := fmt.Fprintf(w, "ShellCheck explains its codes: https://www.shellcheck.net/wiki/%s\n", strings.ToUpper(name))
		return err
	}
	if r == nil {
		return usageError{fmt.Errorf("unknown rule %q%s (--list-rules lists them)", name, suggest.Hint(name, l.Names(), false))}
	}
	page, err := docs.Rule(r.Name)
	if err != nil {
		if page, err = checks.Page(r.Name); err != nil {
			return fmt.Errorf("rule %s has no page", r.Name)
		}
	}
	_, err = io.WriteString(w, page)
	return err
}

// listRules prints a line for each rule.
func listRules(w io.Writer, l *lint.Linter) error {
	var b strings.Builder
	for _, r := range l.Rules() {
		severity := "off"
		if r.Severity != lint.Off {
			severity = r.Severity.String()
		}
		fmt.Fprintf(&b, "%-32s %-7s %-8s %s\n", r.Name, r.Code, severity, r.Summary)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
