package gateway

import (
	"maps"
	"slices"
	"sync"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// FrontendRequest is the request for a frontend.
type FrontendRequest struct {
	Name string // of the frontend, such as dockerfile.v0
	Opts map[string]string
	// Inputs are the requests whose results are inputs of this request, by the name of the input.
	// An input of unknown origin is missing.
	Inputs map[string]*FrontendRequest
}

func (r *FrontendRequest) isEmpty() bool {
	return r == nil || r.Name == "" && len(r.Opts) == 0 && len(r.Inputs) == 0
}

// equal reports whether two requests are equal, with the requests for their inputs.
func (r *FrontendRequest) equal(o *FrontendRequest) bool {
	return r == o || r.Name == o.Name && maps.Equal(r.Opts, o.Opts) && maps.EqualFunc(r.Inputs, o.Inputs, (*FrontendRequest).equal)
}

// Producers records which requests for frontends made which results. A client can use the result
// of one build as an input of another one. Builds that share a Producers know the request that made
// the input. The zero value is ready to use. Safe for concurrent use.
type Producers struct {
	mu       sync.Mutex
	requests map[digest.Digest][]*FrontendRequest // by result, see head
}

// head returns a digest that identifies the result of a definition: the digest of the operation
// that makes it. For an empty result or an invalid definition, it returns "".
func head(def *pb.Definition) digest.Digest {
	if len(def.GetDef()) == 0 {
		return ""
	}
	var last pb.Op
	if err := last.UnmarshalVT(def.Def[len(def.Def)-1]); err != nil || len(last.Inputs) == 0 {
		return ""
	}
	return digest.Digest(last.Inputs[0].Digest)
}

// add records that the request r made the result of a definition. The returned function removes
// the record.
func (p *Producers) add(def *pb.Definition, r *FrontendRequest) (remove func()) {
	result := head(def)
	if result == "" {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.requests == nil {
		p.requests = map[digest.Digest][]*FrontendRequest{}
	}
	p.requests[result] = append(p.requests[result], r)
	return func() { p.remove(result, r) }
}

// remove removes one record of the request r for a result.
func (p *Producers) remove(result digest.Digest, r *FrontendRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.requests[result]
	i := slices.Index(list, r)
	if p.requests[result] = slices.Delete(list, i, i+1); len(list) == 1 {
		delete(p.requests, result)
	}
}

// of returns the requests that made the given frontend inputs. It omits an input that no request
// made, and an input that different requests made.
func (p *Producers) of(inputs map[string]*pb.Definition) map[string]*FrontendRequest {
	var found map[string]*FrontendRequest
	for name, def := range inputs {
		if r := p.only(head(def)); r != nil {
			if found == nil {
				found = map[string]*FrontendRequest{}
			}
			found[name] = r
		}
	}
	return found
}

// only returns the request that made a result. If none is recorded, or several that differ, it
// returns nil.
func (p *Producers) only(result digest.Digest) *FrontendRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.requests[result]
	if len(list) == 0 || slices.ContainsFunc(list[1:], func(r *FrontendRequest) bool { return !r.equal(list[0]) }) {
		return nil
	}
	return list[0]
}
