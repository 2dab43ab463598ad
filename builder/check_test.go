package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/builder/remote"
)

// TestCheck checks that Check rejects options that no build can satisfy.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	docker := t.TempDir()
	if err := os.WriteFile(filepath.Join(docker, "docker"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", docker)
	archive := Output{Type: "oci", Dest: filepath.Join(dir, "x.tar")}
	digested := "x@sha256:" + strings.Repeat("0", 64)
	both := []string{"linux/amd64", "linux/arm64"}
	twice := []string{"linux/arm64", "linux/arm64/v8"}
	notes := func(key string) map[string]string { return map[string]string{"annotation-" + key: "v"} }
	for about, tc := range map[string]struct {
		o    Options
		want string // error; "" for success
	}{
		"nothing":                {Options{}, ""},
		"several platforms":      {Options{Platforms: both, Outputs: []Output{archive, {Type: "local", Dest: dir}}}, ""},
		"no platform":            {Options{Platforms: []string{"x/y/z/w"}, Outputs: []Output{archive}}, "platforms: "},
		"docker of several":      {Options{Platforms: both, Outputs: []Output{{Type: "docker", Dest: file}}}, "output docker: the archive of docker load holds one platform (use type=oci)"},
		"docker of an index":     {Options{BuildArgs: map[string]string{"BUILDKIT_MULTI_PLATFORM": "true"}, Outputs: []Output{{Type: "docker", Load: true}}}, "holds one platform"},
		"docker of no index":     {Options{BuildArgs: map[string]string{"BUILDKIT_MULTI_PLATFORM": "0"}, Outputs: []Output{{Type: "docker", Load: true}}}, ""},
		"a platform twice":       {Options{Platforms: twice, Outputs: []Output{{Type: "local", Dest: dir}}}, "output local: platform linux/arm64 is given twice"},
		"a platform twice, OCI":  {Options{Platforms: twice, Outputs: []Output{archive}}, ""},
		"push without a name":    {Options{Outputs: []Output{{Type: "image", Push: true}}}, "output image: the image needs a name to be pushed (-t NAME)"},
		"push with a name":       {Options{Outputs: []Output{{Type: "image", Push: true, Name: "x"}}}, ""},
		"push of a digest":       {Options{Tags: []string{digested}, Outputs: []Output{{Type: "image", Push: true}}}, "has a digest"},
		"store a digest":         {Options{Tags: []string{digested}}, "has a digest, which follows from its content (name a tag)"},
		"store without a name":   {Options{Outputs: []Output{{Type: "image"}}}, "output image: the image needs a name to be stored (-t NAME)"},
		"archive of a digest":    {Options{Tags: []string{digested}, Outputs: []Output{archive}}, ""},
		"question of a digest":   {Options{Tags: []string{digested}, Call: "frontend.lint"}, ""},
		"builder's digest":       {Options{Builder: &remote.Builder{Address: "unix:///x"}, Tags: []string{digested}}, ""},
		"builder without a name": {Options{Builder: &remote.Builder{Address: "unix:///x"}, Outputs: []Output{{Type: "image"}}}, ""},
		"stored index":           {Options{Annotations: notes("index.k"), Tags: []string{"x"}}, "annotation k of an index"},
		"a bad name":             {Options{Tags: []string{"UPPER"}}, `image name "UPPER": `},
		"a bad name of output":   {Options{Outputs: []Output{{Type: "oci", Dest: file, Name: "UPPER"}}}, `image name "UPPER": `},
		"a file twice":           {Options{Outputs: []Output{archive, {Type: "tar", Dest: archive.Dest}}}, "is the file of another output too"},
		"a directory twice":      {Options{Outputs: []Output{{Type: "local", Dest: dir}, {Type: "local", Dest: dir}}}, ""},
		"nowhere twice":          {Options{Outputs: []Output{{Type: "cacheonly"}, {Type: "cacheonly"}}}, ""},
		"a directory for a file": {Options{Outputs: []Output{{Type: "tar", Dest: dir}}}, "is a directory (name a file in it)"},
		"a file for a directory": {Options{Outputs: []Output{{Type: "local", Dest: file}}}, "is not a directory"},
		"index annotation":       {Options{Annotations: notes("index.k"), Outputs: []Output{archive}}, "annotation k of an index: needs several platforms (use manifest:k=VALUE)"},
		"without an image":       {Options{Annotations: notes("index.k"), Outputs: []Output{{Type: "local", Dest: dir}}}, ""},
		"index of several":       {Options{Annotations: notes("index.k"), Platforms: both, Outputs: []Output{archive}}, ""},
		"annotation of output":   {Options{Outputs: []Output{{Type: "oci", Dest: file, Attrs: notes("index-descriptor.k")}}}, "annotation k of an index-descriptor: needs several platforms"},
		"another platform":       {Options{Annotations: notes("manifest[linux/mips].k"), Outputs: []Output{archive}}, "annotation k of platform linux/mips: the platform is not built (--platform)"},
		"one of the platforms":   {Options{Annotations: notes("manifest[linux/arm64].k"), Platforms: both, Outputs: []Output{archive}}, ""},
		"attested by a builder":  {Options{Builder: &remote.Builder{Address: "unix:///x"}, Attests: map[string]string{"sbom": ""}, Annotations: notes("index.k"), Outputs: []Output{archive}}, ""},
		"builder's platform":     {Options{Builder: &remote.Builder{Address: "unix:///x"}, Annotations: notes("manifest[linux/mips].k"), Outputs: []Output{archive}}, ""},
		"a privilege":            {Options{Allow: []string{"network.host", "security.insecure"}}, ""},
		"an unknown privilege":   {Options{Allow: []string{"network.host", "foo"}}, `privilege "foo": unknown`},
		"a misspelt privilege":   {Options{Allow: []string{"network.hots"}}, `privilege "network.hots": unknown (did you mean network.host?) (want`},
		"devices":                {Options{Allow: []string{"device", "device=x"}}, ""},
		"a misspelt alias":       {Options{Allow: []string{"device=x,alais=y"}}, `entitlement "device=x,alais=y": want device`},
		"a builder's devices":    {Options{Builder: &remote.Builder{Address: "unix:///x"}, Allow: []string{"device", "device=x"}}, ""},
		"an endless certificate": {Options{Builder: &remote.Builder{Address: "tcp://x:1", CACert: "/dev/zero"}}, `builder tcp://x:1: "/dev/zero" is neither a certificate nor a key`},
		"a builder's devicex":    {Options{Builder: &remote.Builder{Address: "unix:///x"}, Allow: []string{"devicex"}}, `privilege "devicex": unknown`},
		"limits":                 {Options{Resources: map[string]string{"memory": "1", "memswap": "-1", "cpushares": "5", "cpuperiod": "6", "cpuquota": "7", "cpusetcpus": "0", "cpusetmems": "0"}}, ""},
		"a limit without memory": {Options{Resources: map[string]string{"memswap": "5", "memory": ""}}, "--memory-swap: limits memory and swap together, and memory has no limit (add --memory)"},
		"less with swap":         {Options{Resources: map[string]string{"memswap": "5", "memory": "6"}}, "--memory-swap: is less than --memory (it limits memory and swap together)"},
		"interpreted limits":     {Options{Runner: "portable", Resources: map[string]string{"cpuquota": "5"}}, "--cpu-quota: the portable runner has no control groups (use --runner namespace)"},
		"an interpreted parent":  {Options{Runner: "portable", CgroupParent: "x"}, "--cgroup-parent: the portable runner has no control groups (use --runner namespace)"},
		"limits in a chroot":     {Options{Runner: "chroot", Resources: map[string]string{"cpuquota": "5"}}, "--cpu-quota: the chroot runner has no control groups (use --runner namespace, or accept it with --unisolated limits)"},
		"accepted limits":        {Options{Runner: "chroot", Unisolated: []string{"limits"}, Resources: map[string]string{"cpuquota": "5"}}, ""},
		"unknown isolation":      {Options{Runner: "chroot", Unisolated: []string{"x"}}, `--unisolated: unknown isolation "x" (use network, hostname, limits)`},
		"no limit":               {Options{Runner: "portable", Resources: map[string]string{"memory": ""}}, ""},
		"a limit without number": {Options{Resources: map[string]string{"cpushares": "x"}}, `--cpu-shares: invalid value "x" (want a number)`},
		"an unknown limit":       {Options{Resources: map[string]string{"pids": "1"}}, `limit "pids": unknown`},
		"limits of a builder":    {Options{Builder: &remote.Builder{Address: "unix:///x"}, Resources: map[string]string{"memswap": "5"}}, ""},
	} {
		err := tc.o.Check()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: error %v, want %s", about, err, tc.want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	o := Options{Outputs: []Output{{Type: "docker", Load: true}}}
	if err := o.Check(); err == nil || !strings.Contains(err.Error(), "needs the program docker") {
		t.Errorf("without docker: %v", err)
	}
	o = Options{Resources: map[string]string{"memory": "5", "cpuquota": ""}}
	opts := o.frontend()
	if _, ok := opts["cpuquota"]; ok || opts["memory"] != "5" {
		t.Errorf("options of the frontend %v", opts)
	}
}

// TestParseOutputs checks that ParseOutput rejects outputs whose attributes contradict each
// other.
func TestParseOutputs(t *testing.T) {
	for value, want := range map[string]string{
		"type=oci,dest=x,push=true":    "output oci: push=true needs type=image (or add --push)",
		"type=oci,dest=-,tar=false":    "output oci: a directory cannot go to standard output (use type=tar)",
		"type=local,dest=/dev/stdout":  "output local: a directory cannot go to standard output (use type=tar)",
		"type=registry,name=x":         "",
		"type=tar,dest=/dev/stdout":    "",
		"type=oci,dest=x,push=perhaps": "push=perhaps is neither true nor false",
	} {
		o, err := ParseOutput(value)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %s", value, err, want)
		}
		if value == "type=tar,dest=/dev/stdout" && o.Dest != "-" {
			t.Errorf("%s goes to %q", value, o.Dest)
		}
	}
}
