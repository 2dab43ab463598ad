package provenance

import (
	"fmt"
	"slices"

	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// addSteps adds the operations of a build, the layers of their outputs, its source files and
// locations to a predicate.
func addSteps(p *types.ProvenancePredicateSLSA1, b Build) error {
	def := b.Definition
	if def == nil {
		return nil
	}
	s, err := newSteps(def)
	if err != nil {
		return err
	}
	for d, i := range s.index {
		s.list[i].ResourceUsage = b.StepUsage[d]
	}
	p.BuildDefinition.InternalParameters.BuildConfig = &types.BuildConfig{Definition: s.list, DigestMapping: s.names()}
	p.RunDetails.Metadata.BuildKitMetadata.Layers = s.layers(b.Outputs)
	if def.Source == nil || len(def.Source.Infos) == 0 {
		return nil
	}
	source := &types.Source{Locations: map[string]*pb.Locations{}}
	for _, info := range def.Source.Infos {
		of, err := newSteps(info.Definition)
		if err != nil {
			return err
		}
		source.Infos = append(source.Infos, types.SourceInfo{
			Filename: info.Filename, Data: info.Data, Language: info.Language,
			Definition: of.list, DigestMapping: of.names(),
		})
	}
	for k, l := range def.Source.Locations {
		if i, ok := s.index[digest.Digest(k)]; ok {
			source.Locations[stepName(i)] = l
		}
	}
	p.RunDetails.Metadata.BuildKitMetadata.Source = source
	return nil
}

func stepName(i int) string { return fmt.Sprintf("step%d", i) }

// steps lists the operations of a definition, each after its inputs.
type steps struct {
	ops   map[digest.Digest]*pb.Op
	index map[digest.Digest]int // in list
	list  []types.BuildStep
}

func newSteps(def *pb.Definition) (*steps, error) {
	s := &steps{ops: map[digest.Digest]*pb.Op{}, index: map[digest.Digest]int{}}
	var last digest.Digest
	for _, data := range def.GetDef() {
		op := &pb.Op{}
		if err := op.UnmarshalVT(data); err != nil {
			return nil, fmt.Errorf("failed to parse llb proto op: %w", err)
		}
		if src := op.GetSource(); src != nil { // different in each build
			delete(src.Attrs, pb.AttrLocalSessionID)
			delete(src.Attrs, pb.AttrLocalUniqueID)
		}
		last = digest.FromBytes(data)
		s.ops[last] = op
	}
	if last == "" {
		return s, nil
	}
	return s, s.add(last)
}

// add adds an operation after its inputs.
func (s *steps) add(d digest.Digest) error {
	if _, ok := s.index[d]; ok {
		return nil
	}
	op, ok := s.ops[d]
	if !ok {
		return fmt.Errorf("failed to find input %v", d)
	}
	inputs := make([]string, len(op.Inputs))
	for i, in := range op.Inputs {
		if err := s.add(digest.Digest(in.Digest)); err != nil {
			return err
		}
		inputs[i] = fmt.Sprintf("%s:%d", stepName(s.index[digest.Digest(in.Digest)]), in.Index)
	}
	s.index[d] = len(s.list)
	op.Inputs = nil
	s.list = append(s.list, types.BuildStep{ID: stepName(len(s.list)), Inputs: inputs, Op: op})
	return nil
}

// layers returns the lists of layers of outputs by the name of the output, such as step0:0. It
// ignores outputs of operations outside the definition. If an output is in the list more than once,
// equal lists of layers count once.
func (s *steps) layers(outputs []Output) map[string][][]ocispecs.Descriptor {
	var layers map[string][][]ocispecs.Descriptor
	for _, o := range outputs {
		i, ok := s.index[o.Operation]
		if !ok {
			continue
		}
		if layers == nil {
			layers = map[string][][]ocispecs.Descriptor{}
		}
		name := fmt.Sprintf("%s:%d", stepName(i), o.Index)
		if !slices.ContainsFunc(layers[name], func(l []ocispecs.Descriptor) bool { return slices.EqualFunc(l, o.Layers, sameDigest) }) {
			layers[name] = append(layers[name], o.Layers)
		}
	}
	return layers
}

func sameDigest(a, b ocispecs.Descriptor) bool { return a.Digest == b.Digest }

// names maps the digests of operations to the names of their steps.
func (s *steps) names() map[digest.Digest]string {
	m := map[digest.Digest]string{}
	for d, i := range s.index {
		m[d] = stepName(i)
	}
	return m
}
