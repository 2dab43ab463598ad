package plan

import (
	"context"

	"github.com/distribution/reference"

	"slipway/instructions"
	"slipway/shell"
	"slipway/source"
)

// passes are the steps of Build, in this order.
var passes = []struct {
	name string
	run  func(context.Context, *builder) error
	why  string // what it must come after
}{
	{"setGlobals", setGlobals, "first: FROM sees only what it sets"},
	{"collectStages", collectStages, "setGlobals: base and --platform use them"},
	{"chooseTarget", chooseTarget, "collectStages: names are known; upstream reports a missing target before bad edges"},
	{"bindEdges", bindEdges, "collectStages: --from names them"},
	{"loadBases", loadBases, "chooseTarget and bindEdges: only what is reached is looked up"},
	{"readIgnore", readIgnore, "loadBases: upstream reads the ignore file when the images are known"},
	{"evaluateStages", evaluateStages, "loadBases and readIgnore: instructions start from base configs, and ONBUILD adds some"},
	{"nameSteps", nameSteps, "evaluateStages: names show values, totals include ONBUILD"},
	{"finishImage", finishImage, "evaluateStages: labels and platform go last into the target's config"},
}

// builder is a plan in the making.
type builder struct {
	*Plan
	drafts   []*draft // of the stages, by index
	opt      Options
	expand   shell.Expander
	byName   map[string]*Stage // last stage of that name
	round    int               // of loadBases, from 0
	size     int               // counts towards maxSize
	matching int               // counts towards maxMatching
	reader   countedEnv
}

// draft is what only the passes know about a stage.
type draft struct {
	commands   []boundCommand  // triggers first
	triggers   int             // of commands
	passedOver int             // rounds of loadBases in which nothing needed the stage
	needed     bool            // by the target
	ref        reference.Named // BaseName
	asked      source.Range    // the instruction that errors about its base are in
	named      source.Range    // the base's name in that instruction
	origin     *Stage          // the stage whose trigger names it; nil if the file does
	loaded     bool            // its base is known
	done       bool            // its result is known
	onbuilt    bool            // addTriggers has seen it
	extended   bool            // a later stage appends to the array of Image.History
}

// draft returns the draft of a stage of the plan.
func (b *builder) draft(st *Stage) *draft { return b.drafts[st.Index] }

// Build plans the build of a Dockerfile. On an error the plan is returned as
// far as it got, so that what was found until then can still be reported.
//
// Errors about the file are *diag.Diagnostic with a range; errors of the
// Resolver are their Cause.
func Build(ctx context.Context, d *instructions.Dockerfile, opt Options) (*Plan, error) {
	b := &builder{
		Plan:   &Plan{Dockerfile: d, Options: opt, Context: &Paths{}},
		opt:    opt,
		expand: shell.Expander{Escape: d.File.Escape},
		byName: map[string]*Stage{},
	}
	for _, p := range passes {
		if err := p.run(ctx, b); err != nil {
			return b.Plan, err
		}
	}
	return b.Plan, nil
}
