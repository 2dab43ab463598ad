package frontend_test

import (
	"maps"
	"testing"

	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"slipway/diag"
	"slipway/frontend"
	"slipway/internal/corpus"
	"slipway/internal/golden"
)

// TestExtensions builds each test case about extensions and compares the results with sections
// of the case. The section out/ejected contains the equivalent plain Dockerfile. If no plain
// Dockerfile is equivalent, it contains the reasons, and the section out/config contains the
// image config. The sections out/error and out/warnings are as in TestCorpus.
func TestExtensions(t *testing.T) {
	golden.RunExtensions(t, func(t *testing.T, c *golden.Case) {
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
		text = sentLocations(r.Err)
		if c.Opts["requestid"] != "" {
			text += answer(t, r, "result.json")
		}
		c.Record(t, "answer", corpus.Compact(text))
		c.Record(t, "warnings", corpus.Limit(warnings(r)))
		if r.Err != nil || c.Opts["requestid"] != "" {
			return
		}
		ejected, possible := ejectCase(t, c)
		c.Record(t, "ejected", ejected)
		config := ""
		if !possible {
			config = image(t, r.Metadata[exptypes.ExporterImageConfigKey], r.Metadata[exptypes.ExporterImageBaseConfigKey])
		}
		c.Record(t, "config", corpus.Compact(config))
	})
}

// ejectCase returns the answer to the subrequest eject. The second result is false if no
// plain Dockerfile is equivalent.
func ejectCase(t *testing.T, c *golden.Case) (text string, possible bool) {
	t.Helper()
	request := *c
	request.Opts = maps.Clone(c.Opts)
	request.Opts["requestid"] = "frontend.eject"
	r, err := corpus.Run(t.Context(), frontend.Build, &request, c.Opts["platform"], 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.Err != nil {
		t.Fatalf("eject: %v", r.Err)
	}
	return string(r.Metadata["result.txt"]), string(r.Metadata["result.statuscode"]) == "0"
}

// TestOtherFilesRequests checks that all files at one level are read with one request.
func TestOtherFilesRequests(t *testing.T) {
	c := &golden.Case{
		Name: "ext/requests", Title: "requests", Worker: []string{"linux/amd64"}, Opts: map[string]string{},
		Files: []golden.File{
			{Name: "Dockerfile", Data: []byte("# slipway=1.0\n\nFROM ./a\nCOPY --from=./b /b /\nRUN --mount=from=./b#0,target=/b b\n")},
			{Name: "a", Data: []byte("# slipway=1.0\nFROM ./c\n")},
			{Name: "b", Data: []byte("# slipway=1.0\nFROM alpine\nCOPY --from=./d /d /\n")},
			{Name: "c", Data: []byte("FROM alpine\n")},
			{Name: "d", Data: []byte("FROM alpine\n")},
		},
	}
	plain, possible := ejectCase(t, c)
	if !possible {
		t.Fatal(plain)
	}
	twin := *c
	twin.Files = []golden.File{{Name: "Dockerfile", Data: []byte(plain)}}
	var requests []int
	for _, c := range []*golden.Case{c, &twin} {
		r, err := corpus.Run(t.Context(), frontend.Build, c, "", 0)
		if err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		requests = append(requests, len(r.Requests))
	}
	if more := requests[0] - requests[1]; more != 2 {
		t.Errorf("two levels of files take %d more requests than the plain Dockerfile, want 2", more)
	}
}
