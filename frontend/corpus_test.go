package frontend_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/solver/errdefs"

	"slipway/diag"
	"slipway/frontend"
	"slipway/internal/corpus"
	"slipway/internal/golden"
	"slipway/internal/llbtext"
	"slipway/plan"
)

// TestCorpus builds each test case and compares the results with sections of the case. The
// section out/error contains the error of a build, or all findings of a check. The section
// out/warnings contains the warnings. The section out/answer contains the results of
// subrequests, requests to other frontends, attestations and metadata. The section out/image
// contains the image config, and the tests of package plan write it.
func TestCorpus(t *testing.T) {
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		var findings diag.List
		check := frontend.Builder{Found: func(list diag.List) { findings = list }}
		r, err := corpus.Run(t.Context(), check.Build, c, c.Opts["platform"], 0)
		if err != nil {
			t.Fatal(err)
		}
		text := corpus.Findings(findings)
		if r.Err != nil {
			text = corpus.Error(r.Err)
		}
		c.Record(t, "error", text)
		c.Record(t, "warnings", corpus.Limit(warnings(r)))
		hidden := "result.json" // answers are shown as text, if there is one
		if strings.HasSuffix(c.Name, "-json") {
			hidden = ""
		}
		c.Record(t, "answer", corpus.Compact(sentLocations(r.Err)+answer(t, r, hidden)))
		if config, ok := r.Metadata[exptypes.ExporterImageConfigKey]; ok {
			c.Compare(t, "image", corpus.Compact(image(t, config, r.Metadata[exptypes.ExporterImageBaseConfigKey])))
		}
	})
}

// sentLocations formats the source locations in the error err that clients receive. If these
// locations equal the location of the diagnostic in err, it returns "".
func sentLocations(err error) string {
	if err == nil {
		return ""
	}
	var own, all strings.Builder
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok && !d.Shown().IsZero() {
		first, last := d.Shown().Lines()
		fmt.Fprintf(&own, " %s", d.Shown().File.Name)
		for n := first; n <= last; n++ {
			fmt.Fprintf(&own, " %d", n)
		}
	}
	for _, s := range errdefs.Sources(err) {
		fmt.Fprintf(&all, " %s%s", s.Info.GetFilename(), llbtext.Ranges(s.Ranges))
	}
	switch {
	case all.String() == own.String():
		return ""
	case all.Len() == 0:
		return "clients receive no location\n"
	}
	return fmt.Sprintf("clients receive%s\n", &all)
}

// image formats the image config of a build for one platform, as in the section out/image of a
// test case. The parameter base is the config of the base image, or nil if there is no base
// image.
func image(t *testing.T, config, base []byte) string {
	t.Helper()
	var img, of *plan.Image
	if err := json.Unmarshal(config, &img); err != nil {
		t.Fatal(err)
	}
	if base != nil {
		if err := json.Unmarshal(base, &of); err != nil {
			t.Fatal(err)
		}
	}
	text, err := corpus.Image(img, of)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// warnings formats the warnings of the recorded build r as FILE:FIRST-LAST: TEXT,
// followed by indented details.
func warnings(r *corpus.Record) string {
	var b strings.Builder
	for _, w := range r.Warnings {
		fmt.Fprint(&b, w.Opts.SourceInfo.GetFilename())
		if n := len(w.Opts.Range); n > 0 {
			fmt.Fprintf(&b, ":%d-%d", w.Opts.Range[0].GetStart().GetLine(), w.Opts.Range[n-1].GetEnd().GetLine())
		}
		fmt.Fprintf(&b, ": %s\n", w.Short)
		for _, detail := range w.Opts.Detail {
			fmt.Fprintf(&b, "  %s\n", detail)
		}
	}
	return b.String()
}

// answer returns the results of a build, except for operations and config, as text: the result
// of a subrequest, the request to another frontend, attestations and other metadata. If the result
// contains a text, it omits the metadata with the key hidden.
func answer(t *testing.T, r *corpus.Record, hidden string) string {
	t.Helper()
	var b strings.Builder
	_, isText := r.Metadata["result.txt"]
	for _, key := range slices.Sorted(maps.Keys(r.Metadata)) {
		name, _, _ := strings.Cut(key, "/")
		switch {
		case name == exptypes.ExporterImageConfigKey, name == exptypes.ExporterImageBaseConfigKey, key == exptypes.ExporterPlatformsKey:
			continue // in out/image
		case key == hidden && isText, key == "version":
			continue
		}
		fmt.Fprintf(&b, "%s\n%s\n", strings.TrimSpace(key), strings.TrimSuffix(string(r.Metadata[key]), "\n"))
		if def := r.Results[key]; def != nil && strings.Contains(key, "attestation") {
			text, err := llbtext.Lines(def)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(text)
		}
	}
	return b.String()
}
