//go:build integration

package clients

import (
	"encoding/json"
	"strings"
	"testing"

	"slipway/integration/rig"
)

// TestCall checks that docker buildx build --call=check, outline and targets print the same
// with our frontend as with upstream's, as text and as JSON.
func TestCall(t *testing.T) { onEachBuilder(t, testCall) }

func testCall(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	for name, dockerfile := range map[string]string{
		"clean": `# Where the program is compiled.
# build: all that the compiler needs
FROM busybox AS build
# version: of the program
ARG VERSION=1
RUN --mount=type=secret,id=token,required --mount=type=ssh --mount=type=cache,target=/c true
# The default target.
FROM build AS last
`,
		"warnings": `FROM busybox as build
MAINTAINER somebody
ENV key value
FROM build AS Last
CMD run $undefined
`,
	} {
		for _, call := range []string{"check", "outline", "targets"} {
			for _, format := range []string{"", ",format=json"} {
				t.Run(name+"/"+call+format, func(t *testing.T) {
					t.Parallel()
					got, errGot := b.call(t, rig.Ours, dockerfile, call+format)
					want, errWant := b.call(t, rig.Upstream, dockerfile, call+format)
					if (errGot == nil) != (errWant == nil) {
						t.Errorf("ends with %v, upstream's with %v", errGot, errWant)
					}
					if got != want {
						t.Errorf("prints\n%s\nupstream's\n%s", got, want)
					}
				})
			}
		}
	}
}

// TestCallError checks that docker buildx build --call with an invalid Dockerfile fails with
// the parser's error.
func TestCallError(t *testing.T) { onEachBuilder(t, testCallError) }

func testCallError(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	for _, call := range []string{"check", "outline", "targets"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			out, err := b.call(t, rig.Ours, "FROM busybox\nCOPPY a b\n", call)
			if err == nil || !strings.Contains(out, "unknown instruction: COPPY") {
				t.Errorf("error %v\n%s", err, out)
			}
		})
	}
}

// call runs buildx build --call with a frontend and returns its output.
func (b *buildx) call(t *testing.T, frontend, dockerfile, call string) (string, error) {
	t.Helper()
	dir := writeArchive(t, "-- Dockerfile --\n"+dockerfile)
	out, err := b.runAny(t, dir, "build", "--progress=quiet", "--build-arg", "BUILDKIT_SYNTAX="+frontend, "--call="+call, ".")
	return withoutDefinitions(out), err
}

// withoutDefinitions removes the LLB definition of the Dockerfile's source from a JSON
// response. The definition contains random names that the client chose. Other text is returned
// unchanged.
func withoutDefinitions(text string) string {
	var answer struct {
		Sources []map[string]any `json:"sources"`
	}
	var all map[string]any
	if json.Unmarshal([]byte(text), &answer) != nil || json.Unmarshal([]byte(text), &all) != nil || answer.Sources == nil {
		return text
	}
	for _, s := range answer.Sources {
		delete(s, "definition")
	}
	all["sources"] = answer.Sources
	out, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return text
	}
	return string(out)
}
