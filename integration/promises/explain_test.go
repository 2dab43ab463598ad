package promises

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"slipway/builder/state"
	"slipway/internal/slowtest"
	"slipway/internal/testcontext"
)

// TestExplain checks the explanations of cache misses. After a single change, for example to a
// build argument or a file, a build must explain each cache miss by this change.
func TestExplain(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	h := newHub(t)
	h.push("base:1", 1)
	served := "1"
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, served) }))
	t.Cleanup(web.Close)
	places := strings.NewReplacer("HUB", h.host, "WEB", web.URL)
	type change struct {
		about      string
		dockerfile string // new Dockerfile; "" for no change
		files      map[string]string
		do         func(m *machine)
		want       []string // expected lines; * matches any rest of a line, and digests are masked as sha256:…
	}
	for _, group := range []struct {
		about string
		first string
		then  []change
	}{
		{"files", "FROM scratch\nCOPY base /\nCOPY src /src\nRUN cat /src/a\n", []change{
			{about: "nothing", want: []string{"all steps were cached"}},
			{about: "content", files: map[string]string{"src/a": "2"}, want: []string{
				"[2/3] COPY src /src: src/a changed",
				"[3/3] RUN cat /src/a: the step before, [2/3] COPY src /src, changed",
			}},
			{about: "a new file", files: map[string]string{"src/c": ""}, want: []string{"[2/3] COPY src /src: src/c is new", "*"}},
			{about: "a file is gone", do: func(m *machine) { m.remove("src/c") }, want: []string{"all steps were cached"}}, // repeat the previous build
			{about: "mode", do: func(m *machine) { m.chmod("src/a", 0o600) }, want: []string{"[2/3] COPY src /src: src/a has now the mode 0600, it was 0755", "*"}},
			{about: "gone", do: func(m *machine) { m.remove("src/b") }, want: []string{"[2/3] COPY src /src: src/b is gone", "*"}},
			{about: "many", files: map[string]string{"src/1": "", "src/2": "", "src/3": "", "src/4": "", "src/5": "", "src/6": "", "src/7": ""}, want: []string{
				"[2/3] COPY src /src: src/1 is new; src/2 is new; src/3 is new; src/4 is new; src/5 is new; 2 more files changed", "*",
			}},
			{about: "with a pattern", dockerfile: "FROM scratch\nCOPY base /\nCOPY --exclude=1 src /src\nRUN cat /src/a\n", want: []string{"[2/3] COPY --exclude=1 src /src: the instruction was COPY src /src before; src/1 is gone", "*"}},
			{about: "a file of a pattern", files: map[string]string{"src/2": "x"}, want: []string{"[2/3] COPY --exclude=1 src /src: src/2 changed", "*"}},
			{about: "a file that a pattern leaves out", files: map[string]string{"src/1": "x"}, want: []string{"all steps were cached"}},
			{about: "as before", dockerfile: "FROM scratch\nCOPY base /\nCOPY src /src\nRUN cat /src/a\n", want: []string{"*"}},
			{about: "unused", files: map[string]string{"unused": "2"}, want: []string{"all steps were cached"}},
			{about: "pruned", do: func(m *machine) { m.prune(state.PruneOptions{Kinds: []string{"regular"}}) }, want: []string{
				"[1/3] COPY base /: nothing changed, but its result is not kept any more",
				"[2/3] COPY src /src: nothing changed, but its result is not kept any more",
				"[3/3] RUN cat /src/a: nothing changed, but its result is not kept any more",
			}},
			{about: "no cache", do: func(m *machine) { m.o.NoCache = true }, want: []string{
				"[1/3] COPY base /: the cache is not to be used for it",
				"[2/3] COPY src /src: the cache is not to be used for it",
				"[3/3] RUN cat /src/a: the cache is not to be used for it",
			}},
		}},
		{"a step that the cache is used for", "FROM scratch\nCOPY base /\nRUN cat\nWORKDIR /w\n", []change{
			{about: "no cache", do: func(m *machine) { m.o.NoCache = true }, want: []string{
				"[1/3] COPY base /: the cache is not to be used for it",
				"[2/3] RUN cat: the cache is not to be used for it",
				"[3/3] WORKDIR /w: the cache is not to be used for [2/3] RUN cat, which it starts from",
			}},
		}},
		{"variables", "FROM scratch\nCOPY base /\nARG V=1\nENV E=x\nRUN cat\nRUN cat -\n", []change{
			{about: "build argument", do: func(m *machine) { m.o.BuildArgs = map[string]string{"V": "2"} }, want: []string{
				`[2/3] RUN cat: the build argument V is now "2", it was "1"`,
				`[3/3] RUN cat -: the build argument V is now "2", it was "1"; the step before, [2/3] RUN cat, changed`,
			}},
			{about: "back", do: func(m *machine) { m.o.BuildArgs = nil }, want: []string{"all steps were cached"}},
			{about: "compared with the last build", do: func(m *machine) { m.o.BuildArgs = map[string]string{"V": "3"} }, want: []string{
				`[2/3] RUN cat: the build argument V is now "3", it was "1"`, "*",
			}},
			{about: "ENV", dockerfile: "FROM scratch\nCOPY base /\nARG V=1\nENV E=y F=z\nRUN cat\nRUN cat -\n", want: []string{
				`[2/3] RUN cat: the variable E is now "y", it was "x"; the variable F is new: "z"`, "*",
			}},
			{about: "WORKDIR and USER", dockerfile: "FROM scratch\nCOPY base /\nARG V=1\nENV E=y F=z\nWORKDIR /w\nUSER root\nRUN cat\nRUN cat -\n", want: []string{
				"[2/4] WORKDIR /w: the step is new",
				"[3/4] RUN cat: the directory is now /w, it was /; the user is now root; the step before is now [2/4] WORKDIR /w, it was [1/3] COPY base /", "*",
			}},
		}},
		{"steps", "FROM scratch\nCOPY base /\nRUN cat\nRUN sleep 0\n", []change{
			{about: "an edited command", dockerfile: "FROM scratch\nCOPY base /\nRUN cat -\nRUN sleep 0\n", want: []string{
				"[2/3] RUN cat -: the instruction was RUN cat before",
				"[3/3] RUN sleep 0: the step before is now [2/3] RUN cat -, it was [2/3] RUN cat",
			}},
			{about: "an inserted step", dockerfile: "FROM scratch\nCOPY base /\nRUN cat -\nRUN ls /\nRUN sleep 0\n", want: []string{
				"[3/4] RUN ls /: the step is new",
				"[4/4] RUN sleep 0: the step before is now [3/4] RUN ls /, it was [2/3] RUN cat -",
			}},
			{about: "a removed step", dockerfile: "FROM scratch\nCOPY base /\nRUN ls /\nRUN sleep 0\n", want: []string{
				"[2/3] RUN ls /: the step before is now [1/3] COPY base /, it was [2/4] RUN cat -", "*",
			}},
			{about: "a heredoc", dockerfile: "FROM scratch\nCOPY base /\nRUN ls /\nRUN sleep 0\nCOPY <<EOF /t\none\nEOF\n", want: []string{"[4/4] COPY <<EOF /t: the step is new"}},
			{about: "the text of a heredoc", dockerfile: "FROM scratch\nCOPY base /\nRUN ls /\nRUN sleep 0\nCOPY <<EOF /t\ntwo\nEOF\n", want: []string{"[4/4] COPY <<EOF /t: the heredoc EOF changed"}},
		}},
		{"mounts", "FROM scratch\nCOPY base /\nRUN --mount=type=secret,id=a cat\n", []change{
			{about: "another secret", dockerfile: "FROM scratch\nCOPY base /\nRUN --mount=type=secret,id=b cat\n", want: []string{
				"[stage-0 2/2] RUN --mount=type=secret,id=b cat: the instruction was RUN --mount=type=secret,id=a cat before; the mount /run/secrets/a is gone; the mount /run/secrets/b is new: the secret b",
			}},
			{about: "a value of a secret", do: func(m *machine) { m.o.Secrets = map[string][]byte{"b": []byte("other")} }, want: []string{"all steps were cached"}},
			{about: "a mounted file", dockerfile: "FROM scratch\nCOPY base /\nRUN --mount=target=/m,source=src cat /m/a\n", want: []string{"*"}},
			{about: "a mounted file changed", files: map[string]string{"src/a": "new"}, want: []string{"[stage-0 2/2] RUN --mount=target=/m,source=src cat /m/a: src/a changed"}},
		}},
		{"images", "FROM HUB/base:1 AS b\nFROM HUB/base:1\nCOPY base /\nCOPY --from=b / /all\n", []change{
			{about: "a new image", do: func(*machine) { h.push("base:1", 1) }, want: []string{
				"[stage-1 2/3] COPY base /: the base image HUB/base:1 was updated: it is now sha256:…, it was sha256:…", "*",
			}},
			{about: "another image", dockerfile: "FROM HUB/base:1 AS b\nFROM scratch\nCOPY base /\nCOPY --from=b / /all\n", want: []string{
				"[stage-1 1/2] COPY base /: it does not use image HUB/base:1@sha256:… any more", "*",
			}},
		}},
		{"other places", "FROM scratch\nADD WEB/file /\nCOPY --from=other a /\nCOPY --from=HUB/base:1 / /all\n", []change{
			{about: "a download", do: func(*machine) { served = "2" }, want: []string{"[stage-0 1/3] ADD WEB/file /: file of WEB/file changed", "*"}},
			{about: "a named context", do: func(m *machine) { testcontext.Write(t, m.o.Contexts["other"], map[string]string{"a": "2"}) }, want: []string{
				"[stage-0 2/3] COPY --from=other a /: a of the context other changed", "*",
			}},
			{about: "an image that is copied from", do: func(*machine) { h.push("base:1", 1) }, want: []string{
				"[stage-0 3/3] COPY --from=HUB/base:1 / /all: the image HUB/base:1 was updated: it is now sha256:…, it was sha256:…; FILE of image HUB/base:1 is *",
			}},
		}},
		{"stages", "FROM scratch AS s\nCOPY base /\nRUN cat /bin/sh > /out\nFROM scratch\nCOPY --from=s /out /\n", []change{
			{about: "nothing that is copied", dockerfile: "FROM scratch AS s\nCOPY base /\nRUN cat /bin/sh > /out && touch /x\nFROM scratch\nCOPY --from=s /out /\n", want: []string{
				"[s 2/2] RUN cat /bin/sh > /out && touch /x: the instruction was RUN cat /bin/sh > /out before",
			}},
			{about: "what is copied", files: map[string]string{"base/bin/sh": "#!"}, want: []string{
				"[s 1/2] COPY base /: base/bin/sh changed",
				"[s 2/2] RUN cat /bin/sh > /out && touch /x: the step before, [s 1/2] COPY base /, changed",
				"[stage-1 1/1] COPY --from=s /out /: out of [s 2/2] RUN cat /bin/sh > /out && touch /x changed",
			}},
		}},
	} {
		m := newMachine(t, map[string]string{"src/a": "1", "src/b": "1", "unused": "1"})
		dockerfile := places.Replace(group.first)
		m.o.Contexts = map[string]string{"other": t.TempDir()}
		testcontext.Write(t, m.o.Contexts["other"], map[string]string{"a": "1"})
		m.o.Secrets = map[string][]byte{"a": []byte("1"), "b": []byte("1")}
		m.mustBuild(dockerfile)
		if lines := strings.Split(strings.TrimSpace(m.explanation), "\n"); !strings.HasSuffix(lines[0], ": this Dockerfile was not built here before") {
			t.Errorf("%s: the first build: %q", group.about, lines)
		}
		for _, c := range group.then {
			if c.dockerfile != "" {
				dockerfile = places.Replace(c.dockerfile)
			}
			testcontext.Write(t, m.o.Context, c.files)
			if c.do != nil {
				c.do(m)
			}
			m.mustBuild(dockerfile)
			m.o.NoCache = false
			got := digests.ReplaceAllString(strings.NewReplacer(web.URL, "WEB", h.host, "HUB").Replace(randomFiles.ReplaceAllString(m.explanation, "FILE")), "sha256:…")
			lines := strings.Split(strings.TrimSpace(got), "\n")
			for i, want := range c.want {
				if i >= len(lines) || lines[i] != want && !(strings.HasSuffix(want, "*") && strings.HasPrefix(lines[i], want[:len(want)-1])) {
					t.Errorf("%s, %s: got\n\t%s\nwant\n\t%s", group.about, c.about, strings.Join(lines, "\n\t"), strings.Join(c.want, "\n\t"))
					break
				}
			}
			if len(lines) != len(c.want) && c.want[len(c.want)-1] != "*" {
				t.Errorf("%s, %s: got %d lines, want %d:\n\t%s", group.about, c.about, len(lines), len(c.want), strings.Join(lines, "\n\t"))
			}
		}
	}
}

var (
	digests     = regexp.MustCompile(`sha256:[0-9a-f]+…?`)
	randomFiles = regexp.MustCompile(`random_file_\d+\.txt`)
)

func (m *machine) remove(name string) {
	m.t.Helper()
	if err := os.Remove(filepath.Join(m.o.Context, name)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) chmod(name string, mode os.FileMode) {
	m.t.Helper()
	if err := os.Chmod(filepath.Join(m.o.Context, name), mode); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) prune(opt state.PruneOptions) []state.Entry {
	m.t.Helper()
	removed, err := state.Prune(m.t.Context(), m.o.State, m.o.Now, opt)
	if err != nil {
		m.t.Fatal(err)
	}
	return removed
}
