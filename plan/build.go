package plan

import (
	"context"

	"github.com/distribution/reference"

	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// passes are the phases of [Build], in the order in which they run.
var passes = []struct {
	name string
	run  func(context.Context, *builder) error
	why  string // the passes that must run first, and the reason
}{
	{"setGlobals", setGlobals, "first: FROM sees only the variables that it sets"},
	{"collectStages", collectStages, "setGlobals: base and --platform use them"},
	{"chooseTarget", chooseTarget, "collectStages: names are known; upstream reports a missing target before bad edges"},
	{"bindEdges", bindEdges, "collectStages: --from names them"},
	{"loadBases", loadBases, "chooseTarget and bindEdges: only bases of reachable stages are looked up"},
	{"readIgnore", readIgnore, "loadBases: upstream reads the ignore file after it has resolved the images"},
	{"evaluateStages", evaluateStages, "loadBases and readIgnore: instructions start from base configs, and ONBUILD adds instructions"},
	{"nameSteps", nameSteps, "evaluateStages: names show values, totals include ONBUILD"},
	{"finishImage", finishImage, "evaluateStages: labels and platform go last into the target's config"},
}

// builder holds the plan that [Build] creates, and the state that the passes share.
type builder struct {
	*Plan
	current     *Scope   // the Dockerfile that the pass works on
	drafts      []*draft // indexed by Stage.Index
	opt         Options
	round       int // the current round of loadBases, starting at 0
	size        int // counts towards maxSize
	matchSteps  int // counts towards maxMatching
	readCounter readCounter
	opened      map[*instructions.OtherFile]*Scope
}

// draft holds data about one stage that is not part of the plan, because only the passes of
// [Build] need it.
type draft struct {
	commands      []boundCommand  // the triggers of the base, then the instructions of the stage
	triggers      int             // the number of commands that are triggers
	idleRounds    int             // the number of rounds of loadBases in which no other stage needed this stage
	needed        bool            // whether the target of the build needs the stage
	ref           reference.Named // the parsed Stage.BaseName
	instruction   source.Range    // the instruction that errors about the base point at
	baseName      source.Range    // the name of the base in that instruction
	origin        *Stage          // the stage whose ONBUILD trigger needs this stage, an image; nil if the file needs it
	loaded        bool            // whether the base has been looked up
	done          bool            // whether the stage has been evaluated
	triggersAdded bool            // whether addTriggers has processed the stage
	assigned      map[string]bool // see evaluator.assigned
	historyShared bool            // whether a later stage appends to the array of Image.History
}

// draft returns the draft of the stage st.
func (b *builder) draft(st *Stage) *draft { return b.drafts[st.Index] }

// Build turns a Dockerfile into a Plan. If it fails, it returns the incomplete plan
// together with the error, so that a linter can still report the facts recorded before
// the error.
//
// An error about the file is a *diag.Diagnostic with a range. If a method of the Resolver
// fails, its error is the Cause of the diagnostic.
func Build(ctx context.Context, d *instructions.Dockerfile, opt Options) (*Plan, error) {
	root := newScope(d, opt.Rules)
	b := &builder{Plan: &Plan{Scope: root, Options: opt, Context: &Paths{}}, current: root, opt: opt}
	if d.Gate != nil {
		b.Lowered = map[*parser.Instruction]*Lowering{}
	}
	for _, p := range passes {
		if err := p.run(ctx, b); err != nil {
			return b.Plan, err
		}
	}
	return b.Plan, nil
}
