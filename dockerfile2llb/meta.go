package dockerfile2llb

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"

	"slipway/plan"
	"slipway/source"
)

// networkMode returns the network mode with the given name, by default the sandbox.
func networkMode(name string) pb.NetMode {
	switch name {
	case "host":
		return pb.NetMode_HOST
	case "none":
		return pb.NetMode_NONE
	}
	return llb.NetModeSandbox
}

// customName and commandKey are keys in the description of an LLB operation.
const (
	customName = "llb.customname"                   // the name in progress output
	commandKey = "com.docker.dockerfile.v1.command" // the instruction as written
)

// describe returns an option that stores the instruction as written, code, in the description of
// an operation.
func describe(code string) llb.ConstraintsOpt {
	return llb.WithDescription(map[string]string{commandKey: code})
}

// internalName returns an option that sets the name of an operation in the progress output to
// "[internal] " and the given name. Such an operation does not represent an instruction.
func internalName(name string) llb.ConstraintsOpt {
	return llb.WithCustomName("[internal] " + name)
}

// sourceLocations returns the location of an instruction, with one range per line, the form
// that clients expect.
func (e *emitter) sourceLocations(r source.Range) []*llb.SourceLocation {
	if e.opt.SourceMap == nil {
		return nil
	}
	return []*llb.SourceLocation{{SourceMap: e.sourceMap(r), Ranges: lines(r)}}
}

// lines splits the range r into one range per line.
func lines(r source.Range) []*pb.Range {
	first, last := r.Lines()
	if first == 0 {
		return nil
	}
	list := make([]*pb.Range, 0, last-first+1)
	for n := first; n <= last; n++ {
		at := &pb.Position{Line: int32(n)}
		list = append(list, &pb.Range{Start: at, End: at})
	}
	return list
}

// location returns the source location of an instruction as an option for operations from
// package client/llb. r is the range of the instruction.
func (e *emitter) location(r source.Range) llb.ConstraintsOpt {
	return e.sourceMap(r).Location(lines(r))
}

// sourceMap returns the source map of the file that contains the range r.
func (e *emitter) sourceMap(r source.Range) *llb.SourceMap {
	if m := e.opt.Included[r.File]; m != nil {
		return m
	}
	return e.opt.SourceMap
}

// constraints returns options that set the name, the source location and the cache policy
// of the file operation of a step.
func (e *emitter) constraints(s *plan.StepInfo) []llb.ConstraintsOpt {
	opts := []llb.ConstraintsOpt{llb.WithCustomName(s.Name), e.location(s.Range)}
	if s.NoCache {
		opts = append(opts, llb.IgnoreCache)
	}
	return opts
}

// supports reports whether the daemon has a capability.
func (e *emitter) supports(id apicaps.CapID) bool {
	has, known := e.capabilities[id]
	if !known {
		has = e.opt.Caps != nil && e.opt.Caps.Supports(id) == nil
		e.capabilities[id] = has
	}
	return has
}

// proxyEnv returns the proxy settings in the build arguments. The names of these build
// arguments are case-insensitive. If a name occurs in several spellings, the last spelling in
// byte order takes precedence. If no proxy is set, it returns nil.
func proxyEnv(args map[string]string) *pb.ProxyEnv {
	p := &pb.ProxyEnv{}
	found := false
	for _, k := range slices.Sorted(maps.Keys(args)) {
		for _, f := range [...]struct {
			name string
			to   *string
		}{
			{"http_proxy", &p.HttpProxy},
			{"https_proxy", &p.HttpsProxy},
			{"ftp_proxy", &p.FtpProxy},
			{"no_proxy", &p.NoProxy},
			{"all_proxy", &p.AllProxy},
		} {
			if strings.EqualFold(k, f.name) {
				*f.to, found = args[k], true
			}
		}
	}
	if !found {
		return nil
	}
	return p
}
