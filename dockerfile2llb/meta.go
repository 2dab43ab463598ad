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

type llbNetwork = pb.NetMode

// networkMode returns the mode that a name of options and flags means.
func networkMode(name string) llbNetwork {
	switch name {
	case "host":
		return pb.NetMode_HOST
	case "none":
		return pb.NetMode_NONE
	}
	return llb.NetModeSandbox
}

// describe records the instruction as written.
func describe(code string) llb.ConstraintsOpt {
	return llb.WithDescription(map[string]string{"com.docker.dockerfile.v1.command": code})
}

// internalName marks operations that users did not write.
func internalName(name string) llb.ConstraintsOpt {
	return llb.WithCustomName("[internal] " + name)
}

// location records the lines of an instruction, one range for each: that is
// what clients expect.
func (e *emitter) location(r source.Range) llb.ConstraintsOpt {
	first, last := r.Lines()
	var lines []*pb.Range
	for n := first; n <= last && n > 0; n++ {
		at := &pb.Position{Line: int32(n)}
		lines = append(lines, &pb.Range{Start: at, End: &pb.Position{Line: int32(n)}})
	}
	return e.opt.SourceMap.Location(lines)
}

// constraints are the name, the place and the cache rule of a file operation.
func (e *emitter) constraints(s *plan.StepInfo) []llb.ConstraintsOpt {
	opts := []llb.ConstraintsOpt{llb.WithCustomName(s.Name), e.location(s.Range)}
	if s.NoCache {
		opts = append(opts, llb.IgnoreCache)
	}
	return opts
}

// supports tells whether the daemon has a capability.
func (e *emitter) supports(id apicaps.CapID) bool {
	return e.opt.Caps != nil && e.opt.Caps.Supports(id) == nil
}

// proxyEnv returns the proxies that build arguments set, in any case; of two
// spellings the last in byte order wins.
func proxyEnv(args map[string]string) *llb.ProxyEnv {
	var p llb.ProxyEnv
	found := false
	for _, k := range slices.Sorted(maps.Keys(args)) {
		for _, f := range [...]struct {
			name string
			to   *string
		}{
			{"http_proxy", &p.HTTPProxy},
			{"https_proxy", &p.HTTPSProxy},
			{"ftp_proxy", &p.FTPProxy},
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
	return &p
}
