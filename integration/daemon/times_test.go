//go:build integration

package daemon

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/builder"
	"slipway/builder/remote"
)

const timesDockerfile = `FROM busybox
COPY old /d/
COPY old /etc/hosts
COPY old /etc/resolv.conf
RUN echo new > /d/new && ln -s new /d/link
ENV A=1
`

// TestOutputTimes checks that the times, platforms and annotations in each kind of output are
// the same with our solver as with BuildKit, with and without SOURCE_DATE_EPOCH.
func TestOutputTimes(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "context", "Dockerfile"), []byte(timesDockerfile))
	writeFile(t, filepath.Join(dir, "context", "old"), []byte("x"))
	if err := os.Chtimes(filepath.Join(dir, "context", "old"), time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	for about, tc := range map[string]struct {
		args        map[string]string
		attrs       map[string]string
		annotations map[string]string
	}{
		"nothing":      {},
		"epoch":        {args: map[string]string{"SOURCE_DATE_EPOCH": "1500000000"}},
		"rewritten":    {args: map[string]string{"SOURCE_DATE_EPOCH": "1500000000"}, attrs: map[string]string{"rewrite-timestamp": "true"}},
		"not":          {args: map[string]string{"SOURCE_DATE_EPOCH": "1500000000"}, attrs: map[string]string{"rewrite-timestamp": "false"}},
		"of output":    {attrs: map[string]string{"rewrite-timestamp": "true", "source-date-epoch": "1500000000"}},
		"future":       {args: map[string]string{"SOURCE_DATE_EPOCH": "4000000000"}, attrs: map[string]string{"rewrite-timestamp": "true"}},
		"early":        {args: map[string]string{"SOURCE_DATE_EPOCH": "500000000"}, attrs: map[string]string{"rewrite-timestamp": "true"}},
		"index of one": {args: map[string]string{"BUILDKIT_MULTI_PLATFORM": "1", "SOURCE_DATE_EPOCH": "1500000000"}, annotations: map[string]string{"annotation-index.i": "1", "annotation-index-descriptor.d": "2", "annotation-manifest-descriptor.m": "3"}},
		"annotated":    {annotations: map[string]string{"annotation-manifest-descriptor.m": "3", "annotation-manifest.n": "4"}},
	} {
		t.Run(about, func(t *testing.T) {
			o := builder.Options{
				Context: filepath.Join(dir, "context"), BuildArgs: tc.args, Annotations: tc.annotations, Now: time.Now, Tags: []string{"x:1"},
			}
			ours := o
			setState(filepath.Join(dir, "state"), "namespace")(&ours)
			o.Builder = &remote.Builder{Address: shared.Socket}
			if diff := cmp.Diff(outputTimes(t, o, tc.attrs), outputTimes(t, ours, tc.attrs)); diff != "" {
				t.Errorf("outputs (-BuildKit +ours):\n%s", diff)
			}
		})
	}
}

// outputTimes runs a build with each kind of output. It returns the times and other properties
// of the outputs as text. It omits properties that may differ between builders.
func outputTimes(t *testing.T, o builder.Options, attrs map[string]string) string {
	t.Helper()
	var b strings.Builder
	for _, kind := range []string{"oci", "docker", "tar", "local"} {
		if kind == "docker" && o.BuildArgs["BUILDKIT_MULTI_PLATFORM"] != "" {
			continue // type docker cannot contain an index
		}
		dest := filepath.Join(t.TempDir(), "out")
		o.Outputs = []builder.Output{{Type: kind, Dest: dest, Attrs: attrs}}
		res, err := builder.Build(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %s", kind, errorText(err))
		}
		fmt.Fprintf(&b, "%s\n", kind)
		switch kind {
		case "tar":
			fmt.Fprintln(&b, tarTimes(t, dest))
		case "local":
			fmt.Fprintln(&b, dirTimes(t, dest))
		default:
			fmt.Fprintln(&b, imageTimes(t, dest, res))
		}
	}
	return b.String()
}

// timeText formats a time. It returns "new" for a time that depends on when the build ran.
func timeText(at time.Time) string {
	if at.After(startTime.Add(-time.Minute)) && at.Before(startTime.Add(24*time.Hour)) {
		return "new"
	}
	return at.UTC().Format(time.RFC3339)
}

// imageTimes returns the descriptors, annotations, times and files of an image archive as text.
func imageTimes(t *testing.T, file string, res *builder.Result) string {
	t.Helper()
	var b strings.Builder
	var descriptor ocispecs.Descriptor
	data, err := base64.StdEncoding.DecodeString(res.Exported["containerimage.descriptor"])
	if err == nil {
		err = json.Unmarshal(data, &descriptor)
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "metadata: %s\n", descriptorText(t, descriptor))
	blobs := blobsOf(t, file)
	var describe func(d ocispecs.Descriptor)
	describe = func(d ocispecs.Descriptor) {
		fmt.Fprintf(&b, "lists: %s\n", descriptorText(t, d))
		var m struct {
			Manifests   []ocispecs.Descriptor
			Layers      []ocispecs.Descriptor
			Config      ocispecs.Descriptor
			Annotations map[string]string
		}
		if err := json.Unmarshal(blobs["blobs/sha256/"+d.Digest.Encoded()], &m); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, "annotations", m.Annotations)
		for _, sub := range m.Manifests {
			describe(sub)
		}
		if len(m.Manifests) > 0 {
			return
		}
		var config ocispecs.Image
		if err := json.Unmarshal(blobs["blobs/sha256/"+m.Config.Digest.Encoded()], &config); err != nil {
			t.Fatal(err)
		}
		for _, h := range config.History {
			fmt.Fprintln(&b, timeText(*h.Created), h.CreatedBy)
		}
		fmt.Fprintln(&b, "image", timeText(*config.Created))
	}
	var top ocispecs.Index
	if err := json.Unmarshal(blobs["index.json"], &top); err != nil {
		t.Fatal(err)
	}
	for _, d := range top.Manifests {
		describe(d)
	}
	for _, img := range readArchive(t, file) {
		b.WriteString(img.String())
	}
	return b.String()
}

// descriptorText formats a descriptor. It omits digest and size, which depend on compression.
func descriptorText(t *testing.T, d ocispecs.Descriptor) string {
	t.Helper()
	d.Digest, d.Size = "", 0
	if at, err := time.Parse(time.RFC3339, d.Annotations[ocispecs.AnnotationCreated]); err == nil {
		d.Annotations[ocispecs.AnnotationCreated] = timeText(at)
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func blobsOf(t *testing.T, file string) map[string][]byte {
	t.Helper()
	blobs := map[string][]byte{}
	readTar(t, file, func(h *tar.Header, data []byte) { blobs[h.Name] = data })
	return blobs
}

func tarTimes(t *testing.T, file string) string {
	t.Helper()
	var list []string
	readTar(t, file, func(h *tar.Header, _ []byte) {
		list = append(list, strings.TrimSuffix(h.Name, "/")+" "+timeText(h.ModTime))
	})
	slices.Sort(list)
	return strings.Join(list, "\n")
}

func readTar(t *testing.T, file string, each func(*tar.Header, []byte)) {
	t.Helper()
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(bytes.NewReader(all)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		each(h, data)
	}
}

func dirTimes(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, strings.TrimPrefix(name, dir), timeText(info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
