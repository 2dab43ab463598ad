//go:build integration

package daemon

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"slipway/builder"
	"slipway/builder/remote"
)

// TestProgress checks that our solver and BuildKit report the same vertices in the progress of a
// build: the names, their order, and which vertices are cached must be equal.
func TestProgress(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), []byte(t.Name()))
	show := func(dockerfile string, where func(*builder.Options)) []string {
		t.Helper()
		writeFile(t, filepath.Join(dir, "Dockerfile"), []byte(dockerfile))
		l := &shownVertices{}
		o := builder.Options{
			Context: dir, Now: time.Now, Status: l.add,
			Outputs: []builder.Output{{Type: "oci", Dest: filepath.Join(t.TempDir(), "image.tar")}},
		}
		where(&o)
		if err := builder.Run(t.Context(), o); err != nil {
			t.Fatal(errorText(err))
		}
		return l.list()
	}
	const steps = "FROM busybox\nCOPY a /\nRUN cat a >/b\nWORKDIR /w\n"
	for _, dockerfile := range []string{steps, steps, steps + "RUN touch new\n"} {
		want := show(dockerfile, func(o *builder.Options) { o.Builder = &remote.Builder{Address: shared.Socket} })
		got := show(dockerfile, setState(state, "namespace"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\nvertices (-BuildKit +solver):\n%s", dockerfile, diff)
		}
	}
}

// shownVertices records the vertices of a build in the order in which they start.
type shownVertices struct {
	order []digest.Digest
	last  map[digest.Digest]*client.Vertex
}

func (l *shownVertices) add(s *client.SolveStatus) {
	if l.last == nil {
		l.last = map[digest.Digest]*client.Vertex{}
	}
	for _, v := range s.Vertexes {
		if v.Started == nil {
			continue
		}
		if l.last[v.Digest] == nil {
			l.order = append(l.order, v.Digest)
		}
		l.last[v.Digest] = v
	}
}

// list returns the names of the vertices. The names of metadata requests come first and are
// sorted, because these requests run concurrently. A cached vertex has the suffix "CACHED",
// except for metadata requests. The vertex for unpacking layers is left out, because BuildKit
// reports unpacking as progress of the image's vertex.
func (l *shownVertices) list() []string {
	var lookups, steps []string
	for _, d := range l.order {
		name := l.last[d].Name
		if name == "[internal] unpack layers" {
			continue
		}
		if strings.HasPrefix(name, "[internal]") || strings.Contains(name, "] FROM ") {
			lookups = append(lookups, name)
			continue
		}
		if l.last[d].Cached {
			name += " CACHED"
		}
		steps = append(steps, name)
	}
	slices.Sort(lookups)
	return append(lookups, steps...)
}
