package promises

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/builder"
	"slipway/builder/state"
	"slipway/internal/slowtest"
)

func (m *machine) entries() []state.Entry {
	m.t.Helper()
	list, err := state.Entries(m.t.Context(), m.o.State, m.o.Now)
	if err != nil {
		m.t.Fatal(err)
	}
	return list
}

func sum(list []state.Entry) (n int64) {
	for _, e := range list {
		n += e.Bytes
	}
	return n
}

// diskUsage returns the size in bytes of the files that belong to cache entries. It omits other
// small files of the state: locks, and records about files and steps.
func (m *machine) diskUsage() (n int64) {
	m.t.Helper()
	for _, dir := range []string{"store", "cache", "layers", "namespace", "mounts"} {
		err := filepath.WalkDir(filepath.Join(m.o.State, dir), func(name string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			n += info.Size()
			return err
		})
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return n
}

const manyKinds = `FROM HUB/base:1 AS image
FROM scratch AS made
COPY base /
COPY big /big
RUN --mount=type=cache,target=/c cat /big > /c/kept && cat /big /big > /twice
FROM scratch
COPY --from=image / /
COPY --from=made /twice /
`

// TestSizesAddUp checks that the sum of the listed sizes equals the disk usage, although results
// share most files. It also checks that removing an entry frees as many bytes as its listed
// size.
func TestSizesAddUp(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	h := newHub(t)
	h.push("base:1", 2)
	m := newMachine(t, map[string]string{"big": strings.Repeat("x", 10000)})
	m.o.Outputs = []builder.Output{{Type: "docker", Dest: filepath.Join(t.TempDir(), "image.tar")}}
	if err := m.build(strings.ReplaceAll(manyKinds, "HUB", h.host)); err != nil {
		t.Fatal(err)
	}
	before := m.diskUsage()
	if got := sum(m.entries()); got != before {
		t.Errorf("the entries have %d bytes, the disk %d", got, before)
	}
	for _, opt := range []state.PruneOptions{
		{Kinds: []string{"source.local"}}, {KeepBytes: before / 2}, {Description: "COPY"}, {Kinds: []string{"regular"}}, {Kinds: []string{"internal"}}, {},
	} {
		freed := sum(m.prune(opt))
		after := m.diskUsage()
		if before-after < freed || before-after > freed+4000 { // a prune also removes unreferenced data, which has no entry
			t.Errorf("%+v: the removed entries have %d bytes, the disk usage decreased by %d", opt, freed, before-after)
		}
		if got := sum(m.entries()); got != after {
			t.Errorf("%+v: the entries have %d bytes, the disk %d", opt, got, after)
		}
		if opt.KeepBytes > 0 && after > opt.KeepBytes {
			t.Errorf("%d bytes remain, want at most %d", after, opt.KeepBytes)
		}
		before = after
	}
	if before != 0 {
		t.Errorf("an empty cache uses %d bytes", before)
	}
	m.mustBuild(strings.ReplaceAll(manyKinds, "HUB", h.host))
}

// TestSizesOfImages checks the listed sizes of results that share files: each file counts for
// one entry only. It also checks that a prune does not remove a base image if it can free enough
// space by removing other results.
func TestSizesOfImages(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	const size = 200_000
	h := newHub(t)
	h.push("base:1", 2)
	m := newMachine(t, map[string]string{"big": strings.Repeat("x", size)})
	m.mustBuild("FROM scratch\nCOPY base /\nCOPY big /\n")
	m.mustBuild("FROM scratch\nCOPY base /\nCOPY big /\nRUN cat /big /big > /twice\nRUN cat /big /twice > /thrice\n")
	sizes := func() map[string]int64 {
		list := map[string]int64{}
		for _, e := range m.entries() {
			_, name, _ := strings.Cut(e.Name, "] ")
			list[name] += e.Bytes
		}
		return list
	}
	before := sizes()
	for name, want := range map[string]int64{"RUN cat /big /big > /twice": 2 * size, "RUN cat /big /twice > /thrice": 3 * size, "COPY big /": 0} {
		if got := before[name]; got < want || got > want+size/4 {
			t.Errorf("%s has %d bytes, want about %d: %v", name, got, want, before)
		}
	}
	image := "FROM " + h.host + "/base:1\n"
	m.mustBuild(image + "COPY base /\n")
	var names []string
	for _, e := range m.prune(state.PruneOptions{KeepBytes: m.diskUsage() - 4*size}) {
		if names = append(names, e.Name); e.Kind == "source.remote" {
			t.Errorf("%s went, although a result needs it and others make more room", e.Name)
		}
	}
	if got := m.diskUsage(); got < size || len(names) == 0 {
		t.Errorf("%d bytes stay, want about %d; went %q", got, 2*size, names)
	}
}

// TestPruneOrder checks the order in which a prune removes cached data: first the data that is
// cheapest to recreate, and among results first the least recently used results. A result must
// not be removed before the results that are based on it.
func TestPruneOrder(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	h := newHub(t)
	h.push("base:1", 2)
	m := newMachine(t, map[string]string{"big": strings.Repeat("x", 10000)})
	now := time.Now()
	m.o.Now = func() time.Time { return now }
	m.mustBuild(strings.ReplaceAll(manyKinds, "HUB", h.host))
	var kinds []string
	for _, e := range m.entries() {
		kinds = append(kinds, e.Kind)
	}
	// One result is based on the image, so it is removed before the image.
	if got, want := slices.Compact(kinds), []string{"internal", "source.local", "regular", "source.remote", "regular", "exec.cachemount"}; !slices.Equal(got, want) {
		t.Errorf("kinds go in the order %q, want %q", got, want)
	}
	m.prune(state.PruneOptions{})

	const base, first, second = "FROM scratch\nCOPY base /\n", "RUN cat /bin/sh > /first\n", "RUN cat /bin/sh > /second\n"
	for _, text := range []string{base + "RUN touch /old\n", base + first + second + "RUN cat /bin/sh\n", base + "RUN touch /new\n"} {
		now = now.Add(time.Hour)
		m.mustBuild(text)
	}
	var order []string
	for _, e := range m.entries() {
		if e.Kind == "regular" {
			_, name, _ := strings.Cut(e.Name, "] ")
			order = append(order, name)
		}
	}
	want := []string{"RUN touch /old", "RUN cat /bin/sh", strings.TrimSpace(second), strings.TrimSpace(first), "RUN touch /new", "COPY base /"}
	if !slices.Equal(order, want) {
		t.Errorf("results go in the order %q, want %q", order, want)
	}
	// Use the entries in another order than they were created.
	now = now.Add(time.Hour)
	m.mustBuild(base + "RUN touch /old\n")
	for _, tc := range []struct {
		opt  state.PruneOptions
		want string
	}{
		{state.PruneOptions{Kinds: []string{"regular"}, KeepBytes: m.diskUsage() - 1}, "RUN cat /bin/sh"},            // this step changed no file
		{state.PruneOptions{Kinds: []string{"regular"}, KeepBytes: m.diskUsage() - 1500}, strings.TrimSpace(second)}, // a record has about 1,000 bytes
		{state.PruneOptions{Kinds: []string{"regular"}, Unused: 90 * time.Minute}, strings.TrimSpace(first)},
		{state.PruneOptions{Kinds: []string{"regular"}, Description: "/new"}, "RUN touch /new"},
		{state.PruneOptions{Kinds: []string{"regular"}, Description: "/none"}, ""},
	} {
		var got []string
		for _, e := range m.prune(tc.opt) {
			_, name, _ := strings.Cut(e.Name, "] ")
			got = append(got, name)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%+v: %q went, want %s", tc.opt, got, tc.want)
		}
	}
	m.mustBuild(base + "RUN touch /old\n")
	if got := m.executedSteps(); len(got) > 0 {
		t.Errorf("%q ran, and should have been kept", got)
	}
}

// TestCacheMountStays checks that a cache mount survives builds, failed steps and pruning of
// all other data, and that it can be pruned by name.
func TestCacheMountStays(t *testing.T) {
	m := newMachine(t, nil)
	const mount = "FROM scratch\nCOPY base /\nRUN --mount=type=cache,id=mine,target=/c "
	m.mustBuild(mount + "touch /c/one\n")
	if err := m.build(mount + "touch /c/two && cat /none\n"); err == nil {
		t.Error("a step that fails was no error")
	}
	m.prune(state.PruneOptions{Kinds: []string{"internal", "source.local", "source.remote", "regular"}})
	list := func() string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(m.mustBuild(mount+"ls /c > /list\n"), "list"))
		if err != nil {
			t.Fatal(err)
		}
		m.prune(state.PruneOptions{Kinds: []string{"regular"}})
		return strings.Join(strings.Fields(string(data)), " ")
	}
	if got := list(); got != "one two" {
		t.Errorf("the cache has %q", got)
	}
	for _, opt := range []state.PruneOptions{
		{Kinds: []string{"exec.cachemount"}, Description: "other"},
		{Kinds: []string{"exec.cachemount"}, Unused: time.Hour},
	} {
		if gone := m.prune(opt); len(gone) != 0 {
			t.Errorf("%+v: %d entries went", opt, len(gone))
		}
	}
	if got := list(); got != "one two" {
		t.Errorf("the cache has %q", got)
	}
	removed := m.prune(state.PruneOptions{Description: "cache mount /mine"})
	if len(removed) != 1 || removed[0].Kind != "exec.cachemount" {
		t.Errorf("went %+v of %+v", removed, m.entries())
	}
	if got := list(); got != "" {
		t.Errorf("after it was pruned the cache has %q", got)
	}
}

// TestSizesOfStoredImages checks the cache with images in the image store: the sum of the
// listed sizes equals the disk usage, a prune removes everything but the images, and later
// builds can use the images.
func TestSizesOfStoredImages(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	m := newMachine(t, map[string]string{"big": strings.Repeat("x", 10000)})
	for _, tags := range [][]string{{"app:1", "app:2"}, {"app:3"}} {
		m.o.Tags = tags
		dockerfile := "FROM scratch\nCOPY base /\nCOPY big /big\nRUN cat big > " + tags[0] + "\n"
		if tags[0] == "app:3" {
			dockerfile = "FROM app:1\nRUN cat big big > /twice\n"
		}
		if err := m.build(dockerfile); err != nil {
			t.Fatal(err)
		}
		if got, disk := sum(m.entries()), m.diskUsage(); got != disk {
			t.Errorf("%s: the entries have %d bytes, the disk %d", tags, got, disk)
		}
	}
	m.prune(state.PruneOptions{})
	left := m.entries()
	if got, disk := sum(left), m.diskUsage(); got != disk || got == 0 || len(left) != 3 {
		t.Errorf("after a prune %d entries have %d bytes, the disk %d", len(left), got, disk)
	}
	if err := m.build("FROM app:3\nRUN cat twice app:1 > /end\n"); err != nil {
		t.Error(err)
	}
}
