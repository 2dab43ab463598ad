package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"slipway/internal/llbtext"
)

// printLLB prints the operations in the result of the subrequest frontend.convertllb,
// each after its inputs. The result is a JSON object in BuildKit's format, which maps
// digests to operations.
func printLLB(w io.Writer, answer []byte) error {
	def, err := parseLLB(answer)
	var text string
	if err == nil {
		text, err = llbtext.Operations(def)
	}
	if err != nil {
		return fmt.Errorf("answer of the frontend: %w (--call=convertllb,format=json prints it as it is)", err)
	}
	_, err = io.WriteString(w, text)
	return err
}

// parseLLB converts the JSON result of the subrequest frontend.convertllb to an LLB
// definition. The operation that refers to the result comes last. The other operations
// are sorted by digest.
func parseLLB(answer []byte) (*pb.Definition, error) {
	var fields struct {
		Def      map[digest.Digest]json.RawMessage
		Metadata map[digest.Digest]llb.OpMetadata
		Source   json.RawMessage
	}
	if err := json.Unmarshal(answer, &fields); err != nil {
		return nil, err
	}
	def := &pb.Definition{Metadata: map[string]*pb.OpMetadata{}, Source: &pb.Source{}}
	if err := protojson.Unmarshal(fields.Source, def.Source); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	var last []byte
	for _, dgst := range slices.Sorted(maps.Keys(fields.Def)) {
		op := &pb.Op{}
		if err := protojson.Unmarshal(fields.Def[dgst], op); err != nil {
			return nil, fmt.Errorf("operation %s: %w", dgst, err)
		}
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(op)
		if err != nil {
			return nil, fmt.Errorf("operation %s: %w", dgst, err)
		}
		if digest.FromBytes(data) != dgst {
			return nil, fmt.Errorf("operation %s: content does not match its digest", dgst)
		}
		if op.Op == nil {
			last = data
			continue
		}
		def.Def = append(def.Def, data)
	}
	if last != nil {
		def.Def = append(def.Def, last)
	}
	for dgst, meta := range fields.Metadata {
		def.Metadata[string(dgst)] = meta.ToPB()
	}
	return def, nil
}
