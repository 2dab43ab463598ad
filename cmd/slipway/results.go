package main

import (
	"cmp"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	csvvalue "github.com/tonistiigi/go-csvvalue"

	"slipway/build"
)

// parseOutputs is where the result goes.
func (f *buildFlags) parseOutputs(flagSet) error {
	o := &f.opt
	values := f.outputs
	if f.push {
		values = append(values, "type=registry")
	}
	toStdout := 0
	for _, v := range values {
		out, err := build.ParseOutput(f.defaultDest(v))
		if err != nil {
			return err
		}
		if out.Type == "image" && f.push {
			out.Push = true
		}
		if out.Dest == "-" {
			toStdout++
		}
		o.Outputs = append(o.Outputs, out)
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
		o.Outputs = append(o.Outputs, build.Output{Type: "docker", Load: true})
	}
	if f.explain {
		o.Explain = os.Stdout
		if toStdout > 0 {
			o.Explain = os.Stderr
		}
	}
	o.Describe = f.quiet || f.iidFile != "" || f.metadataFile != ""
	return nil
}

// defaultDest lets archives without a place go to standard output, if that is no
// terminal, as BuildKit's clients do.
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

// annotations reads [TYPE[PLATFORM],…:]KEY=VALUE, and returns attributes of
// BuildKit's exporters.
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
				return nil, fmt.Errorf("--annotation %s: unknown type %q, there are manifest, manifest-descriptor, index and index-descriptor", s, one)
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

// parseAttests is what attests the image.
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
		delete(f.opt.Attests, kind) // the last one counts
		if attrs != "" {
			f.opt.Attests[kind] = attrs
		}
	}
	return nil
}

// attestation returns the type of an attestation and its fields as frontends
// read them: "" if it is disabled.
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
		return "", "", fmt.Errorf("unknown type %q, there are sbom and provenance", kind)
	}
	if disabled {
		return kind, "", nil
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	err = w.Write(kept)
	w.Flush()
	return kind, strings.TrimSuffix(b.String(), "\n"), errors.Join(err, w.Error())
}

// tell tells the outcome of a build.
func (f *buildFlags) tell(exported map[string]string) error {
	if len(f.opt.Outputs) == 0 && f.showsProgress() {
		fmt.Fprintln(os.Stderr, "the result is in the cache only: --load, --push and --output take it elsewhere")
	}
	id := cmp.Or(exported[exptypes.ExporterImageConfigDigestKey], exported[exptypes.ExporterImageDigestKey])
	if f.quiet && id != "" {
		fmt.Println(id)
	}
	if f.iidFile != "" {
		if id == "" {
			return errors.New("--iidfile: the builder tells no ID, as no output is an image")
		}
		if err := os.WriteFile(f.iidFile, []byte(id), 0o644); err != nil {
			return err
		}
	}
	if f.metadataFile == "" {
		return nil
	}
	data, err := json.MarshalIndent(metadata(exported), "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(f.metadataFile, data)
}

// metadata returns what was exported with objects in place of their encodings,
// as docker build writes it.
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

// removeStale removes a file that a failing build must not leave behind.
func removeStale(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeWhole writes a file whole or not at all.
func writeWhole(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".slipway-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = io.Writer(tmp).Write(data)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
