package options

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/plan"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		about string
		opts  map[string]string
		want  func(*Options)
	}{
		{"nothing", nil, func(*Options) {}},
		{"families", map[string]string{
			"build-arg:A": "1", "label:b": "2", "local-sessionid:context": "s", "context:base": "docker-image://x",
		}, func(o *Options) {
			o.Plan.BuildArgs["A"], o.Plan.Labels["b"], o.Sessions["context"], o.Named["base"] = "1", "2", "s", "docker-image://x"
		}},
		{"build arguments win over options", map[string]string{
			"hostname": "a", "build-arg:BUILDKIT_SANDBOX_HOSTNAME": "b",
		}, func(o *Options) {
			o.Plan.Hostname = "b"
			o.Plan.BuildArgs["BUILDKIT_SANDBOX_HOSTNAME"] = "b"
		}},
		{"limits", map[string]string{
			"shm-size": "64", "ulimit": "nofile=1:2", "add-hosts": "A=1.2.3.4", "memory": "5", "memswap": "-1", "cpusetcpus": "0-3, 5,",
		}, func(o *Options) {
			o.Plan.ShmSize = 64
			o.Plan.Ulimits = []plan.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}}
			o.Plan.ExtraHosts = []plan.HostIP{{Host: "a", IP: net.ParseIP("1.2.3.4")}}
			o.Plan.Resources = &plan.Resources{Memory: 5, MemorySwap: -1, CPUSetCPUs: "0-3, 5,"}
		}},
		{"cache", map[string]string{
			"cache-imports": `[{"Type":"local","Attrs":{"src":"d"}}]`, "cache-from": "a,b",
		}, func(o *Options) {
			o.CacheImports = []CacheImport{
				{"local", map[string]string{"src": "d"}},
				{"registry", map[string]string{"ref": "a"}},
				{"registry", map[string]string{"ref": "b"}},
			}
		}},
		{"no cache for all", map[string]string{"no-cache": ""}, func(o *Options) { o.Plan.NoCache.All = true }},
		{"contexts", map[string]string{
			"contextsubdir": "", "dockerfilekey": "dockerfile", "build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR": "no?",
			"sharedkey:localdir:a::linux/amd64": "k", "input-metadata:b": "{}", "build-arg:SOURCE_DATE_EPOCH": "1",
		}, func(o *Options) {
			o.ContextSubDir, o.LocalDockerfile, o.CommitTimes = new(string), true, true
			o.SharedKeys["a::linux/amd64"], o.InputMetadata["b"] = "k", "{}"
			o.Plan.BuildArgs["BUILDKIT_CONTEXT_KEEP_GIT_DIR"], o.Plan.BuildArgs["SOURCE_DATE_EPOCH"] = "no?", "1"
		}},
		{"an empty name for the context's key", map[string]string{"contextkey": "", "context": "no"}, func(*Options) {}},
		{"the context under another key", map[string]string{"contextkey": "c", "c": "https://x/y.git", "context": "no"}, func(o *Options) {
			o.Context = "https://x/y.git"
		}},
	} {
		want, err := Parse(nil)
		if err != nil {
			t.Fatal(err)
		}
		tc.want(want)
		got, err := Parse(tc.opts)
		if err != nil {
			t.Errorf("%s: %v", tc.about, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.about, diff)
		}
	}
}

func TestPlatforms(t *testing.T) {
	for _, tc := range []struct {
		platform, multi string
		n               int
		want            bool
	}{{"", "", 0, false}, {"linux/arm64/v8", "", 1, false}, {"linux/arm64", "true", 1, true}, {"linux/amd64,linux/arm64", "", 2, true}} {
		o, err := Parse(map[string]string{"platform": tc.platform, "multi-platform": tc.multi})
		if err != nil || len(o.Platforms) != tc.n || o.Plan.MultiPlatform != tc.want {
			t.Errorf("%q, %q: %+v, %v", tc.platform, tc.multi, o, err)
		}
	}
}

func TestErrors(t *testing.T) {
	for key, tc := range map[string]struct{ value, want string }{
		"platform":                       {"a/b/c/d", "failed to parse target platform a/b/c/d"},
		"multi-platform":                 {"x", "invalid boolean value for multi-platform: x"},
		"image-resolve-mode":             {"x", "invalid image-resolve-mode: x"},
		"force-network-mode":             {"x", "invalid netmode x"},
		"shm-size":                       {"x", "failed to parse shm size"},
		"ulimit":                         {"x", "failed to parse ulimit"},
		"add-hosts":                      {"x", "failed to parse additional hosts: invalid key-value pair x"},
		"cache-imports":                  {"x", `failed to unmarshal cache-imports ("x")`},
		"memory":                         {"0", "failed to parse resource limits: invalid memory value: 0: must be > 0"},
		"memswap":                        {"-2", "failed to parse resource limits: invalid memswap value: -2: must be -1 (unlimited) or > 0"},
		"cpushares":                      {"x", "failed to parse resource limits: invalid cpushares value: x"},
		"cpusetmems":                     {"3-1", "failed to parse resource limits: invalid cpusetmems value: 3-1: invalid cpuset range \"3-1\""},
		"build-arg:BUILDKIT_GIT_ADVICE":  {"x", "failed to parse build-arg:BUILDKIT_GIT_ADVICE"},
		"override-copy-image":            {"x", "was removed in BuildKit 0.11"},
		"cpuquota":                       {"-1", "invalid cpuquota value: -1: must be > 0"},
		"cpusetcpus":                     {"1,9000", `invalid cpusetcpus value: 1,9000: cpuset element "9000" exceeds maximum 8192`},
		"attest:nosuch":                  {"", `unknown attestation type "nosuch"`},
		"attest:sbom":                    {"generator=UPPER", "failed to parse sbom scanner UPPER: "},
		"build-arg:BUILDKIT_ATTEST_SBOM": {`"`, "failed to parse sbom: "},
	} {
		_, err := Parse(map[string]string{key: tc.value})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s=%s: %v, want %q", key, tc.value, err, tc.want)
		}
	}
}
