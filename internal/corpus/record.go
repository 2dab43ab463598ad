package corpus

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/llbtext"
)

// Record contains everything that a frontend does with its gateway client. It is complete after
// the frontend has returned. A complete Record is safe for concurrent reads.
type Record struct {
	Results       map[string]*pb.Definition // definitions by platform id, "" for a single platform; attestations by platform id and number
	Metadata      map[string][]byte         // metadata of the result and of its attestations
	Warnings      []Warning                 // warnings in order
	Requests      []string                  // sorted texts of metadata requests, and of solves that are not results
	Err           error
	MultiPlatform bool // set if the build requests several platforms

	mu     sync.Mutex
	solves []*solve
}

// Warning is a warning that the frontend sent: the arguments of a call of [Client.Warn].
type Warning struct {
	Vertex digest.Digest
	Short  string
	Opts   gateway.WarnOpts
}

// solve is a recorded solve request. The flag isResult is true if the build returns the result
// of the request.
type solve struct {
	req      gateway.SolveRequest
	isResult bool // set if the solved definition is a result of the build
}

func (r *Record) addSolve(req gateway.SolveRequest) *solve {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &solve{req: req.Clone()}
	r.solves = append(r.solves, s)
	return s
}

func (r *Record) addRequest(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Requests = append(r.Requests, fmt.Sprintf(format, args...))
}

func (r *Record) addWarning(w Warning) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Warnings = append(r.Warnings, w)
}

// finish records the result or the error of the build. It also adds a description of each solve
// request to Record.Requests. If the build returns the result of the request, the description
// contains only the cache imports of the request.
func (r *Record) finish(res *gateway.Result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Err = err
	r.Results = map[string]*pb.Definition{}
	r.Metadata = map[string][]byte{}
	if res != nil && err == nil {
		r.takeResult(res)
	}
	for _, s := range r.solves {
		if !s.isResult {
			r.Requests = append(r.Requests, solveText(s.req))
		} else if imports := importsText(s.req.CacheImports); imports != "" {
			r.Requests = append(r.Requests, "result"+imports)
		}
	}
	slices.Sort(r.Requests)
}

func (r *Record) takeResult(res *gateway.Result) {
	if res.Refs == nil {
		r.takeRef("", res.Ref)
	}
	for id, ref := range res.Refs {
		r.takeRef(id, ref)
	}
	for key, value := range res.Metadata {
		r.Metadata[key] = value
	}
	for id, list := range res.Attestations {
		for i, a := range list {
			key := fmt.Sprintf("%s attestation %d", id, i)
			r.takeRef(key, a.Ref)
			r.Metadata[key] = fmt.Appendf(nil, "kind %v path %q metadata %q predicate %q subjects %v",
				a.Kind, a.Path, a.Metadata, a.InToto.PredicateType, a.InToto.Subjects)
		}
	}
}

func (r *Record) takeRef(id string, ref gateway.Reference) {
	own, ok := ref.(*reference)
	if !ok || own == nil {
		r.Results[id] = &pb.Definition{}
		return
	}
	own.solve.isResult = true
	r.Results[id] = own.solve.req.Definition
	if own.solve.req.Frontend != "" {
		r.Metadata[id+" forwarded"] = []byte(solveText(own.solve.req))
	}
}

func solveText(req gateway.SolveRequest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "solve evaluate=%v%s\n", req.Evaluate, importsText(req.CacheImports))
	if req.Frontend != "" {
		fmt.Fprintf(&b, "frontend %q\n", req.Frontend)
	}
	for _, key := range sortedKeys(req.FrontendOpt) {
		fmt.Fprintf(&b, "opt %s=%q\n", key, req.FrontendOpt[key])
	}
	for _, key := range sortedKeys(req.FrontendInputs) {
		fmt.Fprintf(&b, "input %s\n%s", key, definitionText(req.FrontendInputs[key]))
	}
	if req.Definition != nil {
		b.WriteString(definitionText(req.Definition))
	}
	return b.String()
}

func importsText(imports []gateway.CacheOptionsEntry) string {
	var b strings.Builder
	for _, im := range imports {
		fmt.Fprintf(&b, " import %s %q", im.Type, im.Attrs)
	}
	return b.String()
}

func definitionText(def *pb.Definition) string {
	text, err := llbtext.Text(def, llbtext.All)
	if err != nil {
		return "bad definition: " + err.Error() + "\n"
	}
	return text
}

func metadataRequestText(op *pb.SourceOp, opt sourceresolver.Opt) string {
	var b strings.Builder
	fmt.Fprintf(&b, "metadata of %s %q log %q", op.Identifier, op.Attrs, opt.LogName)
	if o := opt.ImageOpt; o != nil {
		// BuildKit treats "" like "default".
		fmt.Fprintf(&b, " mode %q platform %s", cmp.Or(o.ResolveMode, pb.AttrImageResolveModeDefault), platformText(o.Platform))
	}
	if o := opt.OCILayoutOpt; o != nil {
		fmt.Fprintf(&b, " store %q platform %s", o.Store, platformText(o.Platform))
	}
	if o := opt.GitOpt; o != nil {
		fmt.Fprintf(&b, " object %v", o.ReturnObject)
	}
	return b.String()
}
