package frontend

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"

	"slipway/answers"
	"slipway/dockerfile2llb"
	"slipway/plan"
)

// emittedStep identifies a step of a plan. The visit is nil for the pull of the stage's base.
type emittedStep struct {
	stage *plan.Stage
	visit *plan.Visit
}

// emittedSteps contains the outputs of the steps of a plan.
type emittedSteps map[emittedStep]llb.Output

func (e emittedSteps) add(st *plan.Stage, v *plan.Visit, out llb.Output) { e[emittedStep{st, v}] = out }

// operations describes the operations of all steps. The parameter def is the definition of the
// conversion res that emitted the steps.
func (e emittedSteps) operations(ctx context.Context, res *dockerfile2llb.Conversion, def *pb.Definition) (map[emittedStep]answers.Operation, error) {
	ops, err := parseOperations(def)
	if err != nil {
		return nil, err
	}
	steps, outs := make([]emittedStep, 0, len(e)), make([]llb.Output, 0, len(e))
	for s, out := range e {
		steps, outs = append(steps, s), append(outs, out)
	}
	digests, err := res.Digests(ctx, outs)
	if err != nil {
		return nil, err
	}
	all := make(map[emittedStep]answers.Operation, len(e))
	for i, s := range steps {
		op := ops[digests[i]]
		if op == nil {
			continue // nothing that the target needs reads the step
		}
		list := []string{string(digests[i])}
		if op.layer != "" {
			list, op = []string{string(op.layer), string(digests[i])}, ops[op.layer]
		}
		all[s] = answers.Operation{Digests: list, Definition: string(op.definition), Key: string(ops[digests[i]].key)}
	}
	return all, nil
}

// operation contains the digests that describe an LLB operation in answers.
type operation struct {
	definition digest.Digest // covers the operation, but not its inputs
	key        digest.Digest // covers definition and the keys of the inputs
	layer      digest.Digest // for the merge of a COPY --link: the operation that copies
}

// parseOperations describes the operations of a definition, by digest. Local directories are
// identified by name: their operations also list the paths that all steps of the build read, and
// the session.
func parseOperations(def *pb.Definition) (map[digest.Digest]*operation, error) {
	ops := make(map[digest.Digest]*operation, len(def.Def))
	for _, data := range def.Def { // inputs come first
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			return nil, err
		}
		o := &operation{}
		inputs := op.Inputs
		if op.GetMerge() != nil && len(inputs) > 0 {
			o.layer = digest.Digest(inputs[len(inputs)-1].Digest)
		}
		op.Inputs = nil
		if src := op.GetSource(); src != nil && strings.HasPrefix(src.Identifier, "local://") {
			src.Attrs = nil
		}
		own, err := proto.MarshalOptions{Deterministic: true}.Marshal(&op)
		if err != nil {
			return nil, err
		}
		o.definition = digest.FromBytes(own)
		key := string(o.definition)
		for _, in := range inputs {
			key += fmt.Sprintf(" %s %d", ops[digest.Digest(in.Digest)].key, in.Index)
		}
		o.key = digest.FromString(key)
		ops[digest.FromBytes(data)] = o
	}
	return ops, nil
}
