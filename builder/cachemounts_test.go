package builder

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/docker/go-units"

	"slipway/internal/slowtest"
)

// mountDockerfile writes to /d what two cache mounts contain, and then stores the file a in them. The second
// cache mount starts from a directory with an owner.
const mountDockerfile = `FROM scratch
COPY base /
COPY a /
RUN --mount=type=cache,target=/c --mount=type=cache,id=own,mode=0700,target=/o,sharing=locked \
	cat /c/x /o/x > /d || echo none > /d; cat a > /c/x; cat a > /o/x
`

// machine is a machine that shares caches with others: its state directory is empty.
type machine struct {
	Options
	t *testing.T
}

// newMachine returns a machine that builds mountDockerfile, where the file a has the given content.
func newMachine(t *testing.T, dockerfile, a string) *machine {
	o := options(t, dockerfile)
	if err := os.WriteFile(filepath.Join(o.Context, "a"), []byte(a), 0o644); err != nil {
		t.Fatal(err)
	}
	return &machine{o, t}
}

// build builds with the given caches. It returns the content of /d in the result and the warnings.
func (m *machine) build(from, to string) (string, string) {
	m.t.Helper()
	var log bytes.Buffer
	o := m.Options
	o.Log, o.CacheFrom, o.CacheTo = &log, nil, nil
	if from != "" {
		o.CacheFrom = entry(m.t, from)
	}
	if to != "" {
		o.CacheTo = entry(m.t, to)
	}
	got, err := buildFile(m.t, o, "d")
	if err != nil {
		m.t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(o.State, "temp")); len(left) > 0 {
		m.t.Errorf("temporary files remain: %v, %v", left, err)
	}
	return got, log.String()
}

// TestCacheMounts exports cache mounts on one machine and restores them on others, also if a machine in
// between has used none of them because all steps were cached.
func TestCacheMounts(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	first, second, plain := "type=local,dest="+t.TempDir(), "type=local,dest="+t.TempDir(), "type=local,dest="+t.TempDir()
	from := func(to string) string { return strings.Replace(to, "dest=", "src=", 1) }
	for i, tc := range []struct {
		a, from, to, want string
		noCache           bool
	}{
		{a: "one\n", to: first + ",mounts=true", want: "none\n"},
		{a: "two\n", from: from(first), want: "one\none\n"},
		{a: "two\n", from: from(first) + ",mounts=false", want: "none\n"},
		{a: "two\n", from: from(first), noCache: true, want: "none\n"},
		{a: "one\n", from: from(first), to: second + ",mounts=true", want: "none\n"}, // all steps are cached
		{a: "two\n", from: from(second), to: plain, want: "one\none\n"},
		{a: "three\n", from: from(plain), want: "none\n"},
	} {
		m := newMachine(t, mountDockerfile, tc.a)
		m.NoCache = tc.noCache
		if got, told := m.build(tc.from, tc.to); got != tc.want || told != "" {
			t.Errorf("build %d of %q with %q: /d has %q, want %q; told %q", i, tc.a, tc.from, got, tc.want, told)
		}
	}
	m := newMachine(t, mountDockerfile, "own\n")
	m.build("", "")
	if err := os.WriteFile(filepath.Join(m.Context, "a"), []byte("other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _ := m.build(from(first), ""); got != "own\nown\n" {
		t.Errorf("with cache mounts of its own, /d has %q, want them instead of the imported ones", got)
	}
}

// TestCacheMountsOmitted checks which cache mounts an export leaves out, and its warnings.
func TestCacheMountsOmitted(t *testing.T) {
	for _, tc := range []struct{ dockerfile, attrs, want string }{
		{mountDockerfile, "", ""},
		{mountDockerfile, ",mount-limit=3", "cache mount //c is not exported: it has more than 3B (set mount-limit=SIZE)\n"},
		{
			strings.Replace(mountDockerfile, "cat a > /c/x", "cat /run/secrets/token > /c/x", 1), "",
			"cache mount //c is not exported: it contains the secret token in the file \"x\"\n",
		},
		{strings.Replace(mountDockerfile, "cat a > /c/x", "cat /run/secrets/short > /c/x", 1), "", ""},
	} {
		m := newMachine(t, strings.ReplaceAll(tc.dockerfile, "RUN ", "RUN --mount=type=secret,id=token --mount=type=secret,id=short "), "one\n")
		m.Secrets = map[string][]byte{"token": []byte("not for others\n"), "short": []byte("true\n")}
		dir := t.TempDir()
		_, told := m.build("", "type=local,dest="+dir+",mounts=true"+tc.attrs)
		if !strings.Contains(told, tc.want) || tc.want == "" && told != "" {
			t.Errorf("%s: told %q, want %q", tc.attrs, told, tc.want)
		}
		next := &machine{m.Options, t}
		next.State = t.TempDir()
		if err := os.WriteFile(filepath.Join(m.Context, "a"), []byte("two\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got, _ := next.build("type=local,src="+dir, "")
		if restored := got != "none\n"; restored != (tc.want == "") {
			t.Errorf("%s: the next build found %q", tc.attrs, got)
		}
	}
}

// TestFind checks that a value is found in any part of a file, also between two reads.
func TestFind(t *testing.T) {
	values := [][]byte{[]byte("first value"), []byte("second")}
	for _, at := range []int{0, 1, 256<<10 - 3, 256 << 10, 256<<10 + 8, 512<<10 + 5, units.MiB} {
		for i, v := range values {
			data := append(bytes.Repeat([]byte("f"), at), v...)
			for _, r := range []io.Reader{bytes.NewReader(data), iotest.HalfReader(bytes.NewReader(append(data, data[:at]...)))} {
				if got, err := find(r, values); got != i || err != nil {
					t.Errorf("%q after %d bytes: found value %d, %v, want %d", v, at, got, err, i)
				}
			}
		}
	}
	if got, err := find(strings.NewReader("first valu"), values); got != -1 || err != nil {
		t.Errorf("a part of a value: found value %d, %v", got, err)
	}
	failed := errors.New("disk")
	if _, err := find(iotest.ErrReader(failed), values); !errors.Is(err, failed) {
		t.Errorf("error %v, want %v", err, failed)
	}
}
