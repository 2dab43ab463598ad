package options

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slipway/dialect"
	"slipway/plan"
)

// TestParse checks that Parse converts valid option values to the expected Options.
func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts map[string]string
		want func(*Options)
	}{
		{"nothing", nil, func(*Options) {}},
		{"empty values", map[string]string{
			"platform": "", "image-resolve-mode": "", "add-hosts": "", "shm-size": "", "ulimit": "", "memory": "", "memswap": "",
			"cpushares": "", "cpuperiod": "", "cpuquota": "", "cpusetcpus": "", "cpusetmems": "", "force-network-mode": "",
			"multi-platform": "", "cache-imports": "", "cache-from": "", "override-copy-image": "", "target": "", "hostname": "",
		}, func(*Options) {}},
		{"unknown keys", map[string]string{"source": "x", "vcs:revision": "y", "context": "", "build-arg": "z"}, func(*Options) {}},
		{"an SBOM", map[string]string{"attest:SBOM": "A=1,generator=b,A=2", "attest:provenance": "mode=max"}, func(o *Options) {
			o.SBOM = &Scanner{Image: "docker.io/library/b:latest", Params: map[string]string{"A": "2"}}
		}},
		{"an SBOM by default", map[string]string{"build-arg:BUILDKIT_ATTEST_SBOM": ""}, func(o *Options) {
			o.SBOM = &Scanner{Image: "docker.io/docker/buildkit-syft-scanner:stable-1", Params: map[string]string{}}
			o.Plan.BuildArgs["BUILDKIT_ATTEST_SBOM"] = ""
		}},
		{"families", map[string]string{
			"build-arg:A": "1", "label:b": "2", "local-sessionid:context": "s", "context:base": "docker-image://x",
		}, func(o *Options) {
			o.Plan.BuildArgs["A"], o.Plan.Labels["b"], o.Sessions["context"], o.NamedContexts["base"] = "1", "2", "s", "docker-image://x"
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
		{"the context's key names itself", map[string]string{"contextkey": "contextkey"}, func(o *Options) { o.Context = "contextkey" }},
	} {
		want, err := Parse(nil)
		if err != nil {
			t.Fatal(err)
		}
		tc.want(want)
		got, err := Parse(tc.opts)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Options{}), cmp.AllowUnexported(dialect.Options{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestPlatforms checks for which values of the options platform and multi-platform a build
// returns a multi-platform result.
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

// TestErrors checks the errors that Parse returns for invalid option values.
func TestErrors(t *testing.T) {
	for key, tc := range map[string]struct{ value, want string }{
		"platform":                            {"a/b/c/d", "failed to parse target platform a/b/c/d"},
		"multi-platform":                      {"x", "invalid boolean value for multi-platform: x"},
		"image-resolve-mode":                  {"x", "invalid image-resolve-mode: x"},
		"force-network-mode":                  {"x", "invalid netmode x"},
		"shm-size":                            {"x", "failed to parse shm size"},
		"ulimit":                              {"x", "failed to parse ulimit"},
		"add-hosts":                           {"x", "failed to parse additional hosts: invalid key-value pair x"},
		"cache-imports":                       {"x", `failed to unmarshal cache-imports ("x")`},
		"memory":                              {"0", "failed to parse resource limits: invalid memory value: 0: must be > 0"},
		"memswap":                             {"-2", "failed to parse resource limits: invalid memswap value: -2: must be -1 (unlimited) or > 0"},
		"cpushares":                           {"x", "failed to parse resource limits: invalid cpushares value: x"},
		"cpusetmems":                          {"3-1", "failed to parse resource limits: invalid cpusetmems value: 3-1: invalid cpuset range \"3-1\""},
		"build-arg:BUILDKIT_DOCKERFILE_CHECK": {"error=x", "failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: failed to parse check option \"error=x\""},
		"build-arg:BUILDKIT_GIT_ADVICE":       {"x", "failed to parse build-arg:BUILDKIT_GIT_ADVICE"},
		"override-copy-image":                 {"x", "was removed in BuildKit 0.11"},
		"cpuquota":                            {"-1", "invalid cpuquota value: -1: must be > 0"},
		"cpusetcpus":                          {"1,9000", `invalid cpusetcpus value: 1,9000: cpuset element "9000" exceeds maximum 8192`},
		"attest:nosuch":                       {"", `unknown attestation type "nosuch"`},
		"attest:sbom":                         {"generator=UPPER", "failed to parse sbom scanner UPPER: "},
		"build-arg:BUILDKIT_ATTEST_SBOM":      {`"`, "failed to parse sbom: "},
	} {
		_, err := Parse(map[string]string{key: tc.value})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s=%s: %v, want %q", key, tc.value, err, tc.want)
			continue
		}
		if row := rowOf(key); !strings.HasSuffix(err.Error(), " ("+row.key+" is "+row.value+")") {
			t.Errorf("%s=%s: %v does not list the valid values", key, tc.value, err)
		}
	}
}

// rowOf returns the row of the option table that describes key, or nil. A row with exactly
// this key takes precedence over a row with a variable part, such as build-arg:<name>. Of
// several matching rows with a variable part, the row with the longest fixed part takes
// precedence.
func rowOf(key string) *option {
	var found *option
	for i := range table {
		row := &table[i]
		exact := row.key == key || row.override == key
		family := strings.HasSuffix(row.key, ">") && strings.HasPrefix(key, row.prefix())
		if exact || family && (found == nil || len(row.prefix()) > len(found.key)) {
			found = row
		}
		if exact {
			break
		}
	}
	return found
}

// TestTable checks that every row of the option table has a unique key, a setter, and
// descriptions of the valid values and of the effect.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range table {
		if seen[row.key] || row.key == "" {
			t.Errorf("%q is duplicate or empty", row.key)
		}
		seen[row.key] = true
		if row.value == "" || row.effect == "" || row.set == nil {
			t.Errorf("%s lacks its value, its effect or its setter", row.key)
		}
	}
}

// TestFirstError checks that, if several options are invalid, Parse always reports the
// error for the option that comes first in the option table.
func TestFirstError(t *testing.T) {
	for range 20 {
		_, err := Parse(map[string]string{"platform": "a/b/c/d", "add-hosts": "x", "memory": "x", "attest:x": "", "multi-platform": "x"})
		if err == nil || !strings.Contains(err.Error(), "failed to parse target platform") {
			t.Fatalf("error %v", err)
		}
	}
}
