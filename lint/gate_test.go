package lint_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// gate is the start of a file with extensions.
const gate = "# syntax=slipway/dockerfile:1\n# slipway=1.0\n\n"

// TestGate checks files with extensions: variables and stages of included files are known, errors in
// included files are reported at the INCLUDE, and rules report nothing about other files.
func TestGate(t *testing.T) {
	dir := fstest.MapFS{
		"parts/tools.dockerfile":  {Data: []byte(gate + "ENV TOOLS=curl\nRUN cd /x\n")},
		"parts/stages.dockerfile": {Data: []byte("ARG BASE=alpine:3.20\nFROM ${BASE} AS tools\nRUN apt-get install x\n")},
		"parts/nested.dockerfile": {Data: []byte("INCLUDE broken.dockerfile\n")},
		"parts/broken.dockerfile": {Data: []byte("USER x\nCOPPY a /\n")},
		"vars":                    {Data: []byte("FROM_FILE=1\n")},
	}
	for _, tc := range []struct {
		text  string
		opt   lint.Options
		wants []string // the findings as LINE:COLUMN CODE MESSAGE
	}{
		{
			gate + "LET V=3.20\nARG DEBUG\nFROM alpine:$V AS a IF $DEBUG\nFROM alpine:$V AS a IF !$DEBUG\nINCLUDE parts/tools.dockerfile\n" +
				"ENV PATHS=$TOOLS$V\nRUN --if=$DEBUG echo $V\nUNSET CMD\nENTRYPOINT --expand [\"$TOOLS\"]\n",
			lint.Options{Dir: dir},
			nil,
		},
		{
			gate + "INCLUDE parts/stages.dockerfile\nFROM scratch\nCOPY --from=tools /bin/sh /sh\nLET --file=vars\nENV A=$FROM_FILE B=$MISSING\n",
			lint.Options{Dir: dir, Listing: lint.NewListing(dir, nil)},
			[]string{"8:20 UndefinedVar Usage of undefined variable '$MISSING'"},
		},
		{
			gate + "FROM scratch\nINCLUDE parts/tools.dockerfile\nINCLUDE parts/nested.dockerfile\n",
			lint.Options{Dir: dir},
			[]string{"6:9 error broken.dockerfile:2:1: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)"},
		},
		{
			gate + "FROM scratch\nINCLUDE parts/tool.dockerfile\nENV A=$TOOLS\n",
			lint.Options{Dir: dir},
			[]string{"5:9 error cannot include parts/tool.dockerfile: no such file (did you mean parts/tools.dockerfile?)"},
		},
		{
			gate + "INCLUDE --from=other base.dockerfile\nFROM $BASE\nENV A=$TOOLS\nINCLUDE x\n", lint.Options{}, nil, // the files are not known
		},
		{
			"# syntax=slipway/dockerfile:1\n# slipway=9\n\nFROM scratch\nLET A=1\n",
			lint.Options{},
			[]string{"2:11 error this file says # slipway=9, and this Slipway knows levels up to 1.0: update # syntax, or the program"},
		},
	} {
		l := lint.New(rules.All(), lint.Settings{})
		var got []string
		for _, f := range l.Lint(t.Context(), source.NewFile("d/Dockerfile", []byte(tc.text)), tc.opt).Findings {
			p := f.Range.Position()
			got = append(got, fmt.Sprintf("%d:%d %s %s", p.Line, p.Column, f.Code, f.Message))
		}
		if strings.Join(got, "\n") != strings.Join(tc.wants, "\n") {
			t.Errorf("%s\n%s\nwant\n%s", tc.text, strings.Join(got, "\n"), strings.Join(tc.wants, "\n"))
		}
	}
}

// unknown are the cases of the corpus whose outcome depends on what lint does not know: options of a
// caller, images, # check=error=true, a build without a context, and another platform.
func unknown() []string {
	return []string{"gate/options-bad", "if/base", "include/check", "include/no-context", "stages/no-context", "strict/windows"}
}

// TestExtensionCorpus checks that lint reports an error in a case of the corpus if and only if the
// build fails.
func TestExtensionCorpus(t *testing.T) {
	const root = "../testdata/ext"
	cases := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".txtar" {
			return err
		}
		ar, err := txtar.ParseFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		cases++
		if encoded := strings.Contains(string(ar.Comment), "encoding: "); encoded || slices.Contains(unknown(), strings.TrimSuffix(name, ".txtar")) {
			return nil
		}
		dockerfile, opt, fails := extensionCase(ar)
		var got []string
		for _, f := range lint.New(rules.All(), lint.Settings{}).Lint(t.Context(), source.NewFile("Dockerfile", dockerfile), opt).Findings {
			if f.Rule == nil && f.Severity == diag.Error {
				got = append(got, f.Message)
			}
		}
		if (len(got) > 0) != fails {
			t.Errorf("%s: errors %q, the build fails: %v", name, got, fails)
		}
		return nil
	})
	if err != nil || cases < 100 {
		t.Errorf("%d cases, error %v", cases, err)
	}
}

// extensionCase returns the Dockerfile of a case, what is known about its build, and whether the build
// fails.
func extensionCase(ar *txtar.Archive) (dockerfile []byte, opt lint.Options, fails bool) {
	dir, context := fstest.MapFS{}, fstest.MapFS{}
	for _, f := range ar.Files {
		below, inContext := strings.CutPrefix(f.Name, "context/")
		switch {
		case f.Name == "Dockerfile":
			dockerfile = f.Data
		case f.Name == "out/error":
			fails = true
		case inContext:
			context[below] = &fstest.MapFile{Data: f.Data}
		default:
			dir[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	opt = lint.Options{Dir: dir, Listing: lint.NewListing(context, nil), BuildArgs: map[string]string{}}
	for line := range strings.Lines(string(ar.Comment)) {
		opts, _ := strings.CutPrefix(strings.TrimSpace(line), "opts: ")
		for _, o := range strings.Fields(opts) {
			key, value, _ := strings.Cut(o, "=")
			if arg, ok := strings.CutPrefix(key, "build-arg:"); ok {
				opt.BuildArgs[arg] = value
			} else if key == "target" {
				opt.Target = value
			}
		}
	}
	return dockerfile, opt, fails
}
