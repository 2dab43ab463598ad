package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/util/progress/progressui"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	csvvalue "github.com/tonistiigi/go-csvvalue"

	"slipway/builder"
	"slipway/solver/export"
)

// parseOutputs converts --output, --push and --load to outputs.
func (f *buildFlags) parseOutputs(flagSet) error {
	o := &f.opt
	toStdout, pushed := 0, false
	for _, v := range f.outputs {
		out, err := builder.ParseOutput(f.defaultDest(v))
		if err != nil {
			return err
		}
		if out.Type == "image" && f.push {
			out.Push, pushed = true, true
		}
		if out.Dest == "-" {
			toStdout++
		}
		o.Outputs = append(o.Outputs, out)
	}
	if f.push && !pushed {
		o.Outputs = append(o.Outputs, builder.Output{Type: "image", Push: true})
	}
	switch {
	case toStdout > 1:
		return errors.New("only one output can go to standard output")
	case toStdout == 1 && isTerminal(os.Stdout):
		return errors.New("an archive does not go to a terminal: name a file with dest=FILE, or redirect standard output")
	case toStdout == 1 && f.quiet:
		return errors.New("standard output cannot take the archive and the ID of --quiet: use --iidfile")
	}
	if f.load {
		o.Outputs = append(o.Outputs, builder.Output{Type: "docker", Load: true})
	}
	if err := f.parseExplain(); err != nil {
		return err
	}
	o.Describe = f.quiet || f.iidFile != "" || f.metadataFile != "" || len(f.digestFiles) > 0
	return f.checkResultFiles()
}

// parseExplain parses --explain, whose values are misses and keys. Explanations are
// written to standard error.
func (f *buildFlags) parseExplain() error {
	switch f.explain {
	case "", "false":
		return nil
	case "misses", "true":
	case "keys":
		f.opt.ExplainKeys = true
	default:
		return fmt.Errorf("--explain: unknown value %q (want misses or keys)", f.explain)
	}
	if f.progress == string(progressui.RawJSONMode) {
		return errors.New("--explain: standard error has JSON only with --progress=rawjson (use --progress=plain)")
	}
	f.opt.Explain = os.Stderr
	return nil
}

// checkResultFiles returns an error if the file of a flag such as --iidfile cannot be written, or if
// several flags name the same file.
func (f *buildFlags) checkResultFiles() error {
	used := map[string]string{} // path → flag
	for _, out := range f.opt.Outputs {
		used[out.Dest] = "--output"
	}
	if err := errors.Join(f.parseGraphFile(), f.parseReport()); err != nil {
		return err
	}
	for _, file := range []struct{ flag, path string }{
		{"--iidfile", f.iidFile}, {"--metadata-file", f.metadataFile}, {"--graph", f.graphFile}, {"--report", f.reportFile()}, {"--output", f.answerFile},
	} {
		if file.path == "" {
			continue
		}
		t, err := export.FindTarget(file.path)
		if err != nil {
			return fmt.Errorf("%s: %w", file.flag, err)
		}
		if t.InPlace {
			continue
		}
		if other := used[file.path]; other != "" {
			return fmt.Errorf("%s: %q is the file of %s too", file.flag, file.path, other)
		}
		used[file.path] = file.flag
		if info, err := os.Stat(t.Path); err == nil && info.IsDir() {
			return fmt.Errorf("%s: %q is a directory (name a file in it)", file.flag, file.path)
		}
		if info, err := os.Stat(filepath.Dir(t.Path)); err != nil || !info.IsDir() {
			return fmt.Errorf("%s: %q is not a directory", file.flag, filepath.Dir(file.path))
		}
	}
	isImage := func(out builder.Output) bool { return out.Type == "image" || out.Type == "oci" || out.Type == "docker" }
	if f.iidFile != "" && f.builder.Address != "" && !slices.ContainsFunc(f.opt.Outputs, isImage) {
		return errors.New("--iidfile: a builder has the ID of an image that is an output (use --output, --load or --push)")
	}
	return nil
}

// defaultDest returns value, a value of --output, with a destination added if a required
// destination is missing. For an archive, the destination becomes standard output, unless
// standard output is a terminal. BuildKit's clients behave in the same way.
func (f *buildFlags) defaultDest(value string) string {
	fields, err := csvvalue.Fields(value, nil)
	if err != nil || isTerminal(os.Stdout) {
		return value
	}
	archive := false
	for _, field := range fields {
		switch k, v, _ := strings.Cut(field, "="); {
		case k == "dest" || k == "tar" && v == "false":
			return value
		case k == "type":
			archive = v == "oci" || v == "docker" || v == "tar"
		}
	}
	if archive {
		return value + ",dest=-"
	}
	return value
}

// annotations parses values of --annotation, which have the form
// [TYPE[PLATFORM],…:]KEY=VALUE. It returns them as attributes for BuildKit's exporters.
func annotations(list []string) (map[string]string, error) {
	kind := regexp.MustCompile(`^(manifest|manifest-descriptor|index|index-descriptor)(?:\[([A-Za-z0-9_/.-]+)\])?$`)
	m := map[string]string{}
	for _, s := range list {
		k, v, ok := strings.Cut(s, "=")
		kinds, name, typed := strings.Cut(k, ":")
		if !typed {
			kinds, name = exptypes.AnnotationManifest, k
		}
		if !ok || name == "" {
			return nil, fmt.Errorf("--annotation %s is not KEY=VALUE", s)
		}
		for one := range strings.SplitSeq(kinds, ",") {
			groups := kind.FindStringSubmatch(one)
			if groups == nil {
				return nil, fmt.Errorf("--annotation %s: unknown type %q (use manifest, manifest-descriptor, index or index-descriptor)", s, one)
			}
			var p *ocispecs.Platform
			if groups[2] != "" {
				parsed, err := platforms.Parse(groups[2])
				if err != nil {
					return nil, fmt.Errorf("--annotation %s: %w", s, err)
				}
				p = &parsed
			}
			m[exptypes.AnnotationKey{Type: groups[1], Platform: p, Key: name}.String()] = v
		}
	}
	return m, nil
}

// parseAttests converts --attest, --sbom and --provenance to the attributes of each type
// of attestation. The last value for a type takes precedence.
func (f *buildFlags) parseAttests(flagSet) error {
	list := f.attests
	for _, shorthand := range []struct{ kind, value string }{{"sbom", f.sbom}, {"provenance", f.provenance}} {
		value := shorthand.value
		if on, err := strconv.ParseBool(value); err == nil {
			value = fmt.Sprintf("disabled=%t", !on)
		}
		if value != "" {
			list = append(list, "type="+shorthand.kind+","+value)
		}
	}
	for _, value := range list {
		kind, attrs, err := attestation(value)
		if err != nil {
			return fmt.Errorf("--attest %s: %w", value, err)
		}
		if f.opt.Attests == nil {
			f.opt.Attests = map[string]string{}
		}
		delete(f.opt.Attests, kind) // the last value for a type takes precedence
		if attrs != "" {
			f.opt.Attests[kind] = attrs
		}
	}
	return nil
}

// attestation parses a value of --attest. It returns the type of the attestation, and the
// attributes in the format of the frontend option. If the value disables the attestation,
// attrs is "".
func attestation(value string) (kind, attrs string, err error) {
	list, err := csvvalue.Fields(value, nil)
	if err != nil {
		return "", "", err
	}
	var kept []string
	disabled := false
	for _, field := range list {
		k, v, ok := strings.Cut(field, "=")
		if !ok {
			return "", "", fmt.Errorf("%q is not KEY=VALUE", field)
		}
		switch k {
		case "disabled":
			if disabled, err = strconv.ParseBool(v); err != nil {
				return "", "", fmt.Errorf("disabled=%s is neither true nor false", v)
			}
			continue
		case "type":
			kind = v
		}
		kept = append(kept, field)
	}
	if kind != "sbom" && kind != "provenance" {
		return "", "", fmt.Errorf("unknown type %q (use sbom or provenance)", kind)
	}
	if disabled {
		return kind, "", nil
	}
	return kind, csvLine(kept), nil
}

// csvLine returns fields as the value of a flag such as --output.
func csvLine(fields []string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(fields) // a strings.Builder returns no errors
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// printOutcome prints the outcome of a successful build, and writes the files of --iidfile
// and --metadata-file.
func (f *buildFlags) printOutcome(ctx context.Context, exported map[string]string) error {
	if len(f.opt.Outputs) == 0 && (len(f.opt.Tags) == 0 || f.builder.Address != "") && f.showsProgress() {
		fmt.Fprintln(os.Stderr, "the result is in the cache only: --load, --push and --output take it elsewhere")
	}
	id := cmp.Or(exported[exptypes.ExporterImageConfigDigestKey], exported[exptypes.ExporterImageDigestKey])
	if f.iidFile != "" {
		if err := export.Write(ctx, f.iidFile, []byte(id)); err != nil {
			return fmt.Errorf("--iidfile: %w", err)
		}
	}
	if f.metadataFile != "" {
		data, err := json.MarshalIndent(metadata(exported), "", "  ")
		if err != nil {
			return err
		}
		if err := export.Write(ctx, f.metadataFile, data); err != nil {
			return fmt.Errorf("--metadata-file: %w", err)
		}
	}
	for _, d := range f.digestFiles {
		if err := d.write(ctx, exported); err != nil {
			return err
		}
	}
	if f.quiet && id != "" {
		if _, err := fmt.Fprintln(os.Stdout, id); err != nil {
			return fmt.Errorf("--quiet: %w", err)
		}
	}
	return nil
}

// metadata converts the exporter's response to the format of docker build's metadata
// file. It decodes values that are JSON objects or arrays in base64.
func metadata(exported map[string]string) map[string]any {
	m := map[string]any{}
	for k, v := range exported {
		m[k] = v
		data, err := base64.StdEncoding.DecodeString(v)
		if err == nil && json.Valid(data) && strings.ContainsAny(string(data[:1]), "{[") {
			m[k] = json.RawMessage(data)
		}
	}
	return m
}
