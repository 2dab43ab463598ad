package differential

import (
	"context"
	"maps"
	"regexp"
	"slices"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/internal/golden"
)

// JudgeExtensions compares the builds of the cases about extensions: build, our frontend, builds
// the original Dockerfile, and reference builds the plain Dockerfile in out/ejected. The
// operations, the image config and the history must be equal. Cases without a plain Dockerfile
// are skipped.
func JudgeExtensions(ctx context.Context, reference, build gateway.BuildFunc, cases []*golden.Case) ([]Outcome, error) {
	var outcomes []Outcome
	for _, c := range cases {
		plain, ok := ejected(c)
		if !ok {
			continue
		}
		theirs, err := Run(ctx, reference, plain, c.Opts["platform"])
		if err != nil {
			return nil, err
		}
		ours, err := Run(ctx, build, c, c.Opts["platform"])
		if err != nil {
			return nil, err
		}
		d := Compare(theirs, ours)
		maps.DeleteFunc(d, func(k Kind, _ string) bool { return k != Operations && k != ResultMetadata && k != ErrorText })
		outcomes = append(outcomes, Outcome{Case: c, Platform: c.Opts["platform"], Diffs: d, Fails: theirs.Err != nil})
	}
	return outcomes, nil
}

// constant matches a LET, which build arguments do not change.
var constant = regexp.MustCompile(`(?m)^LET (\w+)=`)

// ejected returns the case with the plain Dockerfile as its Dockerfile. The second result is
// false if the case has none.
func ejected(c *golden.Case) (*golden.Case, bool) {
	text, ok := c.Out("ejected")
	if _, impossible := c.Out("config"); !ok || impossible {
		return nil, false
	}
	plain := *c
	plain.Opts = maps.Clone(c.Opts)
	delete(plain.Opts, "build-arg:SLIPWAY_OPTIONS")
	for _, m := range constant.FindAllSubmatch(c.Dockerfile(), -1) {
		delete(plain.Opts, "build-arg:"+string(m[1]))
	}
	plain.Files = slices.Clone(c.Files)
	for i := range plain.Files {
		if plain.Files[i].Name == c.DockerfileName() {
			plain.Files[i].Data = []byte(golden.DecodeSection(text))
		}
	}
	return &plain, true
}
