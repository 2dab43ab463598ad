package differential

import (
	"strings"
	"testing"

	"slipway/integration/generate"
	"slipway/internal/golden"
	"slipway/internal/slowtest"
)

// maxFuzzLength is the maximum length in bytes of a fuzzed Dockerfile. Longer Dockerfiles
// would only slow down the fuzzer.
const maxFuzzLength = 4096

// FuzzConversion checks that both frontends return the same result for any Dockerfile. Besides
// the Dockerfile, each fuzz input contains bits that select the platform and some frontend
// options.
func FuzzConversion(f *testing.F) {
	slowtest.Skip(f, "compares thousands of inputs")
	for _, c := range golden.Cases(f) {
		if text := c.Dockerfile(); len(text) > 0 && len(text) < maxFuzzLength && len(c.Opts) == 0 {
			f.Add(string(text), uint8(0))
		}
	}
	for n := range uint64(64) {
		if b := generate.New(1, n); len(b.Text) < maxFuzzLength {
			f.Add(b.Text, uint8(n))
		}
	}
	f.Fuzz(func(t *testing.T, text string, bits uint8) {
		if len(text) > maxFuzzLength || strings.Count(text, "$") > 200 {
			return
		}
		b := fuzzBuild(text, bits)
		o, err := judgeBuild(t.Context(), Upstream(), Ours(), b, upstreamRuns)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range o.differing() {
			t.Errorf("%s differ (- upstream, + ours):\n%s", k, o.Diffs[k])
		}
		if t.Failed() {
			t.Logf("upstream: %s\n%s", o.text, b.Archive("Found by fuzzing"))
		}
	})
}

// fuzzBuild returns a build of a Dockerfile with the given text. The two lowest bits of the
// parameter bits select the platform. Each of the next five bits enables one frontend option.
func fuzzBuild(text string, bits uint8) *generate.Build {
	b := &generate.Build{Text: text, Opts: map[string]string{}, Files: map[string]string{}}
	b.Platform = [...]string{"linux/amd64", "", "windows/amd64", "linux/amd64,linux/arm64"}[bits&3]
	for i, o := range [...][2]string{
		{"build-arg:A", "one two"},
		{"no-cache", ""},
		{"context:base", "docker-image://example.com/onbuild"},
		{"build-arg:SOURCE_DATE_EPOCH", "1700000000"},
		{"hostname", "host"},
	} {
		if bits&(4<<i) != 0 {
			b.Opts[o[0]] = o[1]
		}
	}
	return b
}
