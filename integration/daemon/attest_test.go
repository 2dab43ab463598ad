//go:build integration

package daemon

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/builder"
	"slipway/integration/buildcase"
	"slipway/integration/rig"
)

// scannerScript is a scanner that lists the files in the root of what it scans. It writes the
// core SBOM and another one.
const scannerScript = `#!/bin/sh
set -eu
files=$(echo $(ls "$BUILDKIT_SCAN_SOURCE"))
for name in other sbom; do
	printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[{"name":"x","digest":{"sha256":"00"}}],"predicate":{"files":"%s","name":"%s","level":"%s"}}' \
		"$files" "$name" "${BUILDKIT_SCAN_LEVEL-}" > "$BUILDKIT_SCAN_DESTINATION/$name.spdx.json"
done
`

const attestDockerfile = `# a comment
FROM busybox AS build
ARG A=1
RUN --mount=type=secret,id=s --mount=type=ssh,required=false echo $A > /out
FROM busybox
LABEL from=file
COPY --from=build /out /
COPY a /
`

// TestAttestations checks that attestations of images equal BuildKit's: the index, the manifests
// and the statements, except for times, IDs, digests of layers and sizes.
func TestAttestations(t *testing.T) {
	scanner := pushScanner(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), []byte("x"))
	for about, tc := range map[string]struct{ attrs, exporter map[string]string }{
		"max":             {attrs: map[string]string{"attest:provenance": "mode=max"}},
		"min":             {attrs: map[string]string{"attest:provenance": "mode=min"}},
		"no attributes":   {attrs: map[string]string{"attest:provenance": ""}},
		"v0.2":            {attrs: map[string]string{"attest:provenance": "version=v0.2,builder-id=http://example.com/1,reproducible=true"}},
		"v0.2 min":        {attrs: map[string]string{"attest:provenance": "version=v0.2,mode=min"}},
		"inline only":     {attrs: map[string]string{"attest:provenance": "mode=min,inline-only=true"}},
		"inline forced":   {attrs: map[string]string{"attest:provenance": "mode=min,inline-only=true"}, exporter: map[string]string{"attestation-inline": "true"}},
		"no artifact":     {attrs: map[string]string{"attest:provenance": "mode=min"}, exporter: map[string]string{"oci-artifact": "false", "name": "registry.example/app:1,app"}},
		"named":           {attrs: map[string]string{"attest:provenance": "mode=min,filename=p.json"}, exporter: map[string]string{"name": "registry.example/app:1,app"}},
		"sbom":            {attrs: map[string]string{"attest:sbom": "generator=" + scanner + ",LEVEL=2"}},
		"both":            {attrs: map[string]string{"attest:sbom": "generator=" + scanner, "attest:provenance": "mode=max"}},
		"two platforms":   {attrs: map[string]string{"attest:provenance": "mode=min,inline-only=true", "platform": "linux/amd64,linux/arm64", "target": "data"}},
		"build arguments": {attrs: map[string]string{"build-arg:BUILDKIT_ATTEST_PROVENANCE": "mode=max"}},
	} {
		t.Run(about, func(t *testing.T) {
			req := rig.Request{Dockerfile: attestDockerfile, Context: dir, Image: true, Exporter: tc.exporter, Attrs: map[string]string{
				"filename": "Dockerfile", "build-arg:A": "2", "label:l": "1",
			}, Secrets: map[string][]byte{"s": []byte("x")}}
			if tc.attrs["target"] != "" {
				req.Dockerfile += "FROM scratch AS data\nCOPY a /\n"
			}
			for k, v := range tc.attrs {
				req.Attrs[k] = v
			}
			res, err := shared.Build(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			archive := filepath.Join(t.TempDir(), "x.tar")
			o, err := buildcase.Options(t.TempDir(), req)
			if err != nil {
				t.Fatal(err)
			}
			setState(t.TempDir(), "namespace")(&o)
			o.Outputs = []builder.Output{{Type: "oci", Dest: archive, Name: tc.exporter["name"], Attrs: without(tc.exporter, "name")}}
			if err := builder.Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			want, got := attestationText(t, res.Archive), attestationText(t, archive)
			if strings.Contains(want, "predicateType") == (about == "inline only") {
				t.Errorf("BuildKit made\n%s", want)
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("(-BuildKit +solver):\n%s", diff)
			}
		})
	}
}

// TestScannedResults checks that the SBOM of a result equals BuildKit's if the frontend does not
// generate it, with our solver and our server.
func TestScannedResults(t *testing.T) {
	attrs := map[string]string{"attest:sbom": "generator=" + pushScanner(t) + ",LEVEL=2"}
	build := stateFrontend(llb.Scratch().File(llb.Mkfile("/a", 0o644, []byte("x"))))
	solve := func(d *rig.Daemon) string {
		archive := filepath.Join(t.TempDir(), "image.tar")
		_, err := d.Client.Build(t.Context(), client.SolveOpt{FrontendAttrs: attrs, Exports: []client.ExportEntry{{
			Type:   client.ExporterOCI,
			Output: func(map[string]string) (io.WriteCloser, error) { return os.Create(archive) },
		}}}, "", build, nil)
		if err != nil {
			t.Fatal(err)
		}
		return attestationText(t, archive)
	}
	want := solve(shared.Daemon)
	if !strings.Contains(want, `"level": "2"`) {
		t.Fatalf("BuildKit made no SBOM: %s", want)
	}
	if diff := cmp.Diff(want, solve(startServer(t))); diff != "" {
		t.Errorf("(-BuildKit +server):\n%s", diff)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	o := builder.Options{Context: t.TempDir(), Frontend: build, Now: time.Now, Attests: map[string]string{"sbom": attrs["attest:sbom"]}}
	writeFile(t, filepath.Join(o.Context, "Dockerfile"), nil) // required by the client, unused by the frontend
	setState(t.TempDir(), "namespace")(&o)
	o.Outputs = []builder.Output{{Type: "oci", Dest: archive}}
	if err := builder.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, attestationText(t, archive)); diff != "" {
		t.Errorf("(-BuildKit +solver):\n%s", diff)
	}
}

// TestRequests checks that the provenance of a build by our server equals BuildKit's. It contains
// the requests for frontends: of the client, and of a frontend that forwards the build.
func TestRequests(t *testing.T) {
	d := startServer(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), []byte("x"))
	for about, tc := range map[string]struct{ syntax, provenance, platform string }{
		"built in":          {"", "mode=max", ""},
		"forwarded":         {"# syntax=" + upstream + "\n", "mode=max", ""},
		"forwarded min":     {"# syntax=" + upstream + " an argument\n", "mode=min", ""},
		"inline only":       {"", "mode=min,inline-only=true", ""},
		"several platforms": {"", "mode=min,inline-only=true", "linux/amd64,linux/arm64"},
	} {
		t.Run(about, func(t *testing.T) {
			req := rig.Request{Dockerfile: tc.syntax + "FROM scratch\nCOPY a /\n", Context: dir, Image: true, Attrs: map[string]string{
				"filename": "Dockerfile", "build-arg:A": "2", "label:l": "1", "attest:provenance": tc.provenance,
			}}
			if tc.platform != "" {
				req.Attrs["platform"] = tc.platform
			}
			var text []string
			for _, on := range []*rig.Daemon{shared.Daemon, d} {
				res, err := on.Build(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				text = append(text, attestationText(t, res.Archive))
			}
			if inline := about == "inline only"; strings.Contains(text[0], "predicateType") == inline {
				t.Errorf("BuildKit made\n%s", text[0])
			}
			if diff := cmp.Diff(strings.Split(text[0], "\n"), strings.Split(text[1], "\n")); diff != "" {
				t.Errorf("(-BuildKit +server):\n%s", diff)
			}
		})
	}
}

// TestStepUsage checks that provenance with capture-usage contains the CPU time of a RUN step, but
// not of a step from the cache. BuildKit records the same if version 2 of control groups is at
// /sys/fs/cgroup.
func TestStepUsage(t *testing.T) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	o := builder.Options{Context: t.TempDir(), File: "-", Now: time.Now, Attests: map[string]string{"provenance": "capture-usage=true"}}
	setState(t.TempDir(), "namespace")(&o)
	o.Outputs = []builder.Output{{Type: "local", Dest: t.TempDir()}}
	for build, want := range []bool{strings.Contains(string(mounts), " - cgroup2 "), false} {
		o.Stdin = strings.NewReader("FROM busybox\nRUN seq 20000 > /out\n")
		if err := builder.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(o.Outputs[0].Dest, "provenance.json"))
		if err != nil {
			t.Fatal(err)
		}
		var s struct {
			Predicate types.ProvenancePredicateSLSA1
		}
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		measured := 0
		for _, step := range s.Predicate.BuildDefinition.InternalParameters.BuildConfig.Definition {
			if u := step.ResourceUsage; u != nil && len(u.Samples) > 0 && *u.Samples[len(u.Samples)-1].CPUStat.UsageNanos > 0 {
				measured++
			}
		}
		if (measured == 1) != want || measured > 1 {
			t.Errorf("build %d: %d steps have CPU times, want one: %t", build, measured, want)
		}
	}
}

func without(m map[string]string, key string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// pushScanner pushes an image of [scannerScript] and returns its name.
func pushScanner(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "scan"), []byte(scannerScript))
	writeFile(t, filepath.Join(dir, "Dockerfile"), []byte("FROM busybox\nCOPY --chmod=755 scan /scan\nENTRYPOINT [\"/scan\"]\n"))
	o := builder.Options{Context: dir, Now: time.Now}
	setState(t.TempDir(), "namespace")(&o)
	o.Outputs = []builder.Output{{Type: "image", Push: true, Name: shared.Addr + "/scanner:1"}}
	if err := builder.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return rig.Registry + "/scanner:1"
}

// attestationText describes the index in an OCI archive, the manifests of attestations and their
// statements. Digests are numbered by their first appearance.
func attestationText(t *testing.T, archive string) string {
	t.Helper()
	files := readTarFiles(t, archive)
	var b strings.Builder
	var walk func(d ocispecs.Descriptor, attests bool)
	walk = func(d ocispecs.Descriptor, attests bool) {
		data := files["blobs/sha256/"+d.Digest.Encoded()]
		switch d.MediaType {
		case ocispecs.MediaTypeImageIndex:
			b.WriteString(normalized(t, data))
			var idx ocispecs.Index
			if err := json.Unmarshal(data, &idx); err != nil {
				t.Fatal(err)
			}
			for _, m := range idx.Manifests {
				walk(m, m.Annotations["vnd.docker.reference.type"] != "")
			}
		case ocispecs.MediaTypeImageManifest:
			var m ocispecs.Manifest
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if !attests {
				fmt.Fprintf(&b, "image with %d layers\n", len(m.Layers))
				return
			}
			b.WriteString(normalized(t, data))
			b.WriteString(normalized(t, files["blobs/sha256/"+m.Config.Digest.Encoded()]))
			for _, l := range m.Layers {
				b.WriteString(normalized(t, files["blobs/sha256/"+l.Digest.Encoded()]))
			}
		}
	}
	var idx ocispecs.Index
	if err := json.Unmarshal(files["index.json"], &idx); err != nil {
		t.Fatal(err)
	}
	for _, m := range idx.Manifests {
		walk(m, false)
	}
	seen := map[string]string{}
	return regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllStringFunc(b.String(), func(d string) string {
		if seen[d] == "" {
			seen[d] = fmt.Sprint("digest-", len(seen))
		}
		return seen[d]
	})
}

func readTarFiles(t *testing.T, archive string) map[string][]byte {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// normalized returns indented JSON without what is different in each build.
func normalized(t *testing.T, data []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(normalize(v), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

func normalize(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = normalize(v[i])
		}
	case map[string]any:
		for k := range v {
			switch k {
			case "size", "startedOn", "finishedOn", "buildStartedOn", "buildFinishedOn", "invocationId", "invocationID", "buildInvocationID", "org.opencontainers.image.created":
				v[k] = "any"
			case "digestMapping":
				var names []string
				for _, name := range v[k].(map[string]any) {
					names = append(names, name.(string))
				}
				slices.Sort(names)
				v[k] = names
			case "dockerfileVersion":
				v[k] = strings.TrimSuffix(v[k].(string), "-dev") // this BuildKit has no version
			case "local.sharedkeyhint", "local.session", "local.unique":
				delete(v, k)
			default:
				v[k] = normalize(v[k])
			}
		}
	}
	return v
}
