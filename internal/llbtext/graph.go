package llbtext

import (
	"errors"
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// node is an operation of a definition, with its metadata.
type node struct {
	digest digest.Digest
	op     *pb.Op
	meta   *pb.OpMetadata
	at     []*pb.Location
}

// graph is a decoded definition with its operations in canonical order.
type graph struct {
	def    *pb.Definition
	nodes  []node
	number map[string]int // operation numbers by digest
	groups map[string]int // progress group numbers by id
	result *pb.Input      // nil if the definition is empty
	final  node           // final operation, which only references the result
}

func load(def *pb.Definition) (*graph, error) {
	g := &graph{def: def, number: map[string]int{}, groups: map[string]int{}}
	if def == nil || len(def.Def) == 0 {
		return g, nil
	}
	ops := map[string]*pb.Op{}
	var last node
	for i, data := range def.Def {
		op := &pb.Op{}
		if err := op.UnmarshalVT(data); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
		dgst := digest.FromBytes(data)
		ops[string(dgst)] = op
		last = node{digest: dgst, op: op, meta: def.Metadata[string(dgst)]}
	}
	if last.op.Op != nil || len(last.op.Inputs) != 1 {
		return nil, errors.New("the last operation does not name a result")
	}
	g.final = last
	g.result = last.op.Inputs[0]
	if err := g.visit(g.result.Digest, ops); err != nil {
		return nil, err
	}
	if len(g.nodes) != len(ops)-1 {
		return nil, fmt.Errorf("%d of %d operations are not reachable from the result", len(ops)-1-len(g.nodes), len(ops)-1)
	}
	g.numberGroups()
	return g, nil
}

// visit assigns a number to an operation after all of its inputs. An operation contains the
// digests of its inputs, so a cycle is impossible.
func (g *graph) visit(dgst string, ops map[string]*pb.Op) error {
	if _, ok := g.number[dgst]; ok {
		return nil
	}
	op, ok := ops[dgst]
	if !ok {
		return fmt.Errorf("input %s is not in the definition", dgst)
	}
	for _, in := range op.Inputs {
		if err := g.visit(in.Digest, ops); err != nil {
			return err
		}
	}
	g.number[dgst] = len(g.nodes)
	g.nodes = append(g.nodes, node{
		digest: digest.Digest(dgst), op: op, meta: g.def.Metadata[dgst],
		at: g.def.GetSource().GetLocations()[dgst].GetLocations(),
	})
	return nil
}

func (g *graph) numberGroups() {
	for _, n := range g.nodes {
		id := n.meta.GetProgressGroup().GetId()
		if _, ok := g.groups[id]; !ok && id != "" {
			g.groups[id] = len(g.groups)
		}
	}
}
