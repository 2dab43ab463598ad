package differential

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"slipway/frontend/options"
	"slipway/internal/golden"
	"slipway/internal/slowtest"
)

// optionsClient is a gateway client that returns its frontend options. Calls of all other
// methods panic.
type optionsClient struct {
	gateway.Client
	opts gateway.BuildOpts
}

func (c optionsClient) BuildOpts() gateway.BuildOpts { return c.opts }

// parsedOptions is the result of parsing frontend options, in a form common to both frontends.
type parsedOptions struct {
	Target, Hostname, CgroupParent, Mode, Namespace string
	Multi, Advice                                   bool
	ShmSize                                         int64
	Network                                         pb.NetMode
	Platforms, Hosts, Ulimits, Resources, Imports   any
	Scanner                                         any
	Labels, BuildArgs                               map[string]string
}

func theirOptions(opts map[string]string) (*parsedOptions, error) {
	opts = maps.Clone(opts) // NewClient modifies the map
	c, err := dockerui.NewClient(optionsClient{opts: gateway.BuildOpts{Opts: opts, LLBCaps: pb.Caps.CapSet(pb.Caps.All())}})
	if err != nil {
		return nil, err
	}
	m := &parsedOptions{
		Target: c.Target, Hostname: c.Hostname, CgroupParent: c.CgroupParent, Mode: c.ImageResolveMode.String(),
		Namespace: c.CacheIDNamespace, Multi: c.MultiPlatformRequested, Advice: c.GitAdvice, ShmSize: c.ShmSize,
		Network: c.NetworkMode, Platforms: c.TargetPlatforms, Labels: c.Labels, BuildArgs: c.BuildArgs,
	}
	hosts, ulimits, imports := [][2]string{}, [][3]any{}, []options.CacheImport{}
	for _, h := range c.ExtraHosts {
		hosts = append(hosts, [2]string{h.Host, h.IP.String()})
	}
	for _, u := range c.Ulimits {
		ulimits = append(ulimits, [3]any{u.Name, u.Soft, u.Hard})
	}
	for _, i := range c.CacheImports {
		imports = append(imports, options.CacheImport{Type: i.Type, Attrs: i.Attrs})
	}
	m.Hosts, m.Ulimits, m.Imports = hosts, ulimits, imports
	if r := c.LinuxResources; r != nil {
		m.Resources = [7]any{r.Memory, r.MemorySwap, r.CpuShares, r.CpuPeriod, r.CpuQuota, r.CpusetCpus, r.CpusetMems}
	}
	if c.SBOM != nil {
		m.Scanner = options.Scanner{Image: c.SBOM.Generator, Params: c.SBOM.Parameters}
	}
	return m, nil
}

func ourOptions(opts map[string]string) (*parsedOptions, error) {
	o, err := options.Parse(opts)
	if err != nil {
		return nil, err
	}
	p := &o.Plan
	m := &parsedOptions{
		Target: p.Target, Hostname: p.Hostname, CgroupParent: p.CgroupParent, Mode: p.ResolveMode,
		Namespace: p.CacheIDNamespace, Multi: p.MultiPlatform, Advice: p.GitAdvice, ShmSize: p.ShmSize,
		Platforms: o.Platforms, Labels: p.Labels, BuildArgs: p.BuildArgs,
		Network: map[string]pb.NetMode{"host": pb.NetMode_HOST, "none": pb.NetMode_NONE}[p.Network],
	}
	if m.Mode == "" {
		m.Mode = "default"
	}
	hosts, ulimits := [][2]string{}, [][3]any{}
	for _, h := range p.ExtraHosts {
		hosts = append(hosts, [2]string{h.Host, h.IP.String()})
	}
	for _, u := range p.Ulimits {
		ulimits = append(ulimits, [3]any{u.Name, u.Soft, u.Hard})
	}
	m.Hosts, m.Ulimits, m.Imports = hosts, ulimits, o.CacheImports
	if r := p.Resources; r != nil {
		m.Resources = [7]any{r.Memory, r.MemorySwap, r.CPUShares, r.CPUPeriod, r.CPUQuota, r.CPUSetCPUs, r.CPUSetMems}
	}
	if o.SBOM != nil {
		m.Scanner = *o.SBOM
	}
	return m, nil
}

// FuzzOptions checks that our frontend and upstream's return the same options or error when
// they parse any two frontend options together. The seed corpus consists of the options in
// testdata.
func FuzzOptions(f *testing.F) {
	slowtest.Skip(f, "compares thousands of inputs")
	for _, c := range golden.Cases(f) {
		last := ""
		for _, key := range sortedKeys(c.Opts) {
			f.Add(last, c.Opts[last], key, c.Opts[key])
			last = key
		}
	}
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		if attestations(key1, key2) > 1 {
			return // upstream applies these options in random order
		}
		opts := map[string]string{key1: value1, key2: value2}
		theirs, err1 := theirOptions(opts)
		ours, err2 := ourOptions(opts)
		if err1 != nil || err2 != nil {
			if a, b := optionError(err1), optionError(err2); a != b {
				t.Fatalf("%q: error %s, upstream's %s", opts, b, a)
			}
			return
		}
		if diff := cmp.Diff(theirs, ours, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q (-upstream +ours):\n%s", opts, diff)
		}
	})
}

// optionError returns the text of an error about frontend options. It removes the parts that may
// differ between the frontends: Go types, and the lists of valid values, which only our frontend
// adds.
func optionError(err error) string {
	text, _, _ := strings.Cut(validValues.ReplaceAllString(textOfError(err), ""), ": json: cannot unmarshal")
	return text
}

// attestations returns the number of attestations that the options request.
func attestations(keys ...string) int {
	n := 0
	for _, key := range keys {
		if strings.HasPrefix(key, "attest:") || strings.HasPrefix(key, "build-arg:BUILDKIT_ATTEST_") {
			n++
		}
	}
	return n
}
