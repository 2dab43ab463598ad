package builder

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"slipway/solver/track"
)

// statusLog collects the status messages of a build as lines of text.
type statusLog struct {
	vertices map[digest.Digest]*client.Vertex
	open     map[string]bool // parts by vertex and id
	lines    []string
	late     []string // vertices that were first reported after another one had started
}

func (l *statusLog) add(s *client.SolveStatus) {
	if l.vertices == nil {
		l.vertices, l.open = map[digest.Digest]*client.Vertex{}, map[string]bool{}
	}
	for _, v := range s.Vertexes {
		if old := l.vertices[v.Digest]; old == nil && !strings.Contains(v.Name, "internal]") && v.Started != nil {
			l.late = append(l.late, v.Name)
		}
		l.vertices[v.Digest] = v
		switch {
		case v.Error != "":
			l.lines = append(l.lines, v.Name+": ERROR")
		case v.Cached:
			l.lines = append(l.lines, v.Name+": CACHED")
		case v.Completed != nil:
			l.lines = append(l.lines, v.Name+": DONE")
		}
	}
	for _, st := range s.Statuses {
		name := l.vertices[st.Vertex].Name + ": " + st.ID
		if l.open[name] = st.Completed == nil; l.open[name] {
			continue
		}
		if st.Current > 0 {
			name += " BYTES"
		}
		if st.Total == st.Current && st.Total > 0 {
			name += " of BYTES"
		}
		l.lines = append(l.lines, name)
	}
}

// text returns the collected lines without digests, times and sizes.
func (l *statusLog) text() string {
	return regexp.MustCompile(`sha256:[0-9a-f]{64}`).ReplaceAllString(strings.Join(l.lines, "\n"), "DIGEST")
}

// buildLog runs a build and returns its status messages. It fails the test if a vertex
// starts but never ends.
func buildLog(t *testing.T, o Options) *statusLog {
	t.Helper()
	l := &statusLog{}
	o.Status = l.add
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for name, open := range l.open {
		if open {
			t.Errorf("%s never ends", name)
		}
	}
	return l
}

const internals = `[internal] load build definition from Dockerfile: transferring dockerfile:
[internal] load build definition from Dockerfile: DONE
[internal] load build definition from Dockerfile: DONE
[internal] load .dockerignore: transferring context:
[internal] load .dockerignore: DONE
[internal] load .dockerignore: DONE
`

// TestProgress checks that the progress of cache lookups, transfers, pulls, exports and
// pushes has the same texts as in BuildKit.
func TestProgress(t *testing.T) {
	s := httptest.NewServer(registry.New(registry.Logger(log.New(&bytes.Buffer{}, "", 0))))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	base := options(t, "FROM scratch\nCOPY base /\n")
	base.Outputs = []Output{{Type: "image", Push: true, Name: host + "/base:1"}}
	if diff := cmp.Diff(strings.ReplaceAll(internals, "dockerfile:\n", "dockerfile: BYTES\n")+`[internal] load build context: transferring context:
[internal] load build context: DONE
[internal] load build context: DONE
[1/1] COPY base /: DONE
exporting to image: exporting layers BYTES
exporting to image: exporting manifest DIGEST
exporting to image: exporting config DIGEST
exporting to image: pushing layers BYTES
exporting to image: pushing manifest for `+host+`/base:1@DIGEST
exporting to image: DONE`, buildLog(t, base).text()); diff != "" {
		t.Errorf("of the base (-want +got):\n%s", diff)
	}
	o := options(t, "FROM "+host+"/base:1\nCOPY a /\nRUN cat a > /b\n")
	cache := t.TempDir()
	o.CacheTo = entry(t, "type=local,dest="+cache)
	for _, out := range []string{"type=oci,dest=oci.tar", "type=docker,dest=docker.tar", "type=tar,dest=files.tar", "files"} {
		parsed, err := ParseOutput(out)
		if err != nil {
			t.Fatal(err)
		}
		parsed.Dest = filepath.Join(t.TempDir(), parsed.Dest)
		o.Outputs = append(o.Outputs, parsed)
	}
	first := buildLog(t, o)
	from := "[1/3] FROM " + host + "/base:1@DIGEST"
	if diff := cmp.Diff(sorted(strings.ReplaceAll(internals, "dockerfile:\n", "dockerfile: BYTES\n")+`[internal] load metadata for `+host+`/base:1: DONE
`+from+`: resolve `+host+`/base:1@DIGEST
`+from+`: DONE
`+from+`: DIGEST BYTES of BYTES
`+from+`: extracting DIGEST
`+from+`: DONE
[internal] load build context: transferring context: BYTES
[internal] load build context: DONE
[internal] load build context: DONE
[2/3] COPY a /: DONE
[3/3] RUN cat a > /b: DONE
exporting to oci image format: exporting layers BYTES
exporting to oci image format: exporting manifest DIGEST
exporting to oci image format: exporting config DIGEST
exporting to oci image format: sending tarball BYTES
exporting to oci image format: DONE
exporting to docker image format: exporting layers
exporting to docker image format: exporting manifest DIGEST
exporting to docker image format: exporting config DIGEST
exporting to docker image format: sending tarball BYTES
exporting to docker image format: DONE
exporting to client tarball: sending tarball BYTES
exporting to client tarball: DONE
exporting to client directory: copying files BYTES
exporting to client directory: DONE
exporting cache to client directory: preparing build cache for export
exporting cache to client directory: writing layer DIGEST BYTES of BYTES
exporting cache to client directory: writing layer DIGEST BYTES of BYTES
exporting cache to client directory: writing layer DIGEST BYTES of BYTES
exporting cache to client directory: writing config DIGEST
exporting cache to client directory: writing cache image manifest DIGEST
exporting cache to client directory: sending cache export
exporting cache to client directory: DONE`), sorted(first.text())); diff != "" {
		t.Errorf("of an image on it (-want +got):\n%s", diff)
	}
	if want := []string{
		"exporting to oci image format", "exporting to docker image format", "exporting to client tarball",
		"exporting to client directory", "exporting cache to client directory",
	}; !slices.Equal(first.late, want) {
		t.Errorf("vertices that were not in the total from the start: %q, want %q", first.late, want)
	}
	o.Outputs, o.CacheTo = nil, nil
	again := regexp.MustCompile(`(transferring .*:) BYTES`).ReplaceAllString(buildLog(t, o).text(), "$1") // young files are read again
	if diff := cmp.Diff(sorted(once(internals)+`[internal] load metadata for `+host+`/base:1: DONE
`+from+`: resolve `+host+`/base:1@DIGEST
`+from+`: DONE
[internal] load build context: transferring context:
[internal] load build context: DONE
[2/3] COPY a /: CACHED
[3/3] RUN cat a > /b: CACHED`), sorted(again)); diff != "" {
		t.Errorf("of the same again (-want +got):\n%s", diff)
	}
	o.State, o.CacheFrom = t.TempDir(), entry(t, "type=local,src="+cache)
	imported := buildLog(t, o).text()
	for _, want := range []string{"importing cache manifest from " + cache + ": DONE\n", "[3/3] RUN cat a > /b: DIGEST BYTES of BYTES\n", "[2/3] COPY a /: CACHED\n[3/3] RUN cat a > /b: CACHED"} {
		if !strings.Contains(imported, want) {
			t.Errorf("with an imported cache: got\n%s\nwant %s", imported, want)
		}
	}
}

// once returns a copy of a text in which each sequence of equal lines is replaced with a
// single line.
func once(text string) string {
	return strings.Join(slices.Compact(strings.SplitAfter(text, "\n")), "")
}

// sorted sorts the lines of a text by vertex, because vertices are reported in random
// order. The lines of each vertex keep their order.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.SortStableFunc(lines, func(a, b string) int {
		a, _, _ = strings.Cut(a, ": ")
		b, _, _ = strings.Cut(b, ": ")
		return strings.Compare(a, b)
	})
	return strings.Join(lines, "\n")
}

// TestProgressOrder checks that a cached step is reported before the steps that depend on it.
func TestProgressOrder(t *testing.T) {
	o := options(t, "FROM scratch\nCOPY base /\nRUN cat /bin/sh > /1\nRUN cat /bin/sh > /2\n")
	buildLog(t, o)
	if err := os.WriteFile(filepath.Join(o.Context, "Dockerfile"), []byte("FROM scratch\nCOPY base /\nRUN cat /bin/sh > /1\nRUN cat /bin/sh > /2\nRUN cat /bin/sh > /3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const want = "[1/4] COPY base /: CACHED\n[2/4] RUN cat /bin/sh > /1: CACHED\n[3/4] RUN cat /bin/sh > /2: CACHED\n[4/4] RUN cat /bin/sh > /3: DONE"
	if got := buildLog(t, o).text(); !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant at the end\n%s", got, want)
	}
}

// TestProgressInterval checks that a task of a step, such as the download of a layer, is
// reported when it starts, when it ends, and at most once per statusInterval in between. A
// failed step is reported with its error.
func TestProgressInterval(t *testing.T) {
	now := time.Unix(0, 0)
	var got []string
	p := newProgress(&Options{Now: func() time.Time { return now }, Status: func(s *client.SolveStatus) {
		for _, v := range s.Vertexes {
			if v.Completed != nil {
				got = append(got, v.Name+" "+v.Completed.Sub(*v.Started).String()+" "+v.Error)
			}
		}
		for _, st := range s.Statuses {
			got = append(got, st.ID+" "+st.Timestamp.Sub(*st.Started).String())
		}
	}}, nil)
	failure := errors.New("failed")
	err := p.step(t.Context(), "id", "name", func(ctx context.Context) error {
		tr := track.Start(ctx, "part", 0)
		defer tr.Done()
		for range 5 {
			now = now.Add(40 * time.Millisecond)
			tr.Add(1)
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("error %v, want %v", err, failure)
	}
	if want := []string{"part 0s", "part 120ms", "part 200ms", "name 200ms failed"}; !slices.Equal(got, want) {
		t.Errorf("reports %q, want %q", got, want)
	}
}

// TestAction checks by which name clients recognize the transfer of files.
func TestAction(t *testing.T) {
	for task, want := range map[string]string{"transferring context:": "transferring", "sha256:abc": "", "transferringx": ""} {
		if got := action(task); got != want {
			t.Errorf("%q: got %q, want %q", task, got, want)
		}
	}
}
