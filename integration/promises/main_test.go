package promises

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"slipway/builder"
	"slipway/internal/testcontext"
	"slipway/solver/runner/namespace"
)

func TestMain(m *testing.M) {
	namespace.Main()
	os.Exit(m.Run())
}

// machine runs builds with one state directory and records their steps.
type machine struct {
	t           *testing.T
	o           builder.Options
	explanation string // output of --explain for the last build

	mu    sync.Mutex
	steps map[string]step // steps of the last build, by name
}

// step records when a step of a build started and ended, and whether it was cached.
type step struct {
	start, end time.Time
	cached     bool
}

// newMachine returns a machine with an empty state. The parameter context maps the names of
// files in the build context to their content.
func newMachine(t *testing.T, context map[string]string) *machine {
	t.Helper()
	m := &machine{t: t, o: builder.Options{Context: t.TempDir(), State: t.TempDir(), Runner: "portable", Now: time.Now}}
	m.o.Status = m.record
	testcontext.WriteBase(t, m.o.Context, "cat", "sleep", "mkdir", "ls", "touch", "chmod")
	testcontext.Write(t, m.o.Context, context)
	return m
}

func (m *machine) record(s *client.SolveStatus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range s.Vertexes {
		st := m.steps[v.Name]
		if v.Started != nil {
			st.start = *v.Started
		}
		if v.Completed != nil {
			st.end = *v.Completed
		}
		st.cached = st.cached || v.Cached
		m.steps[v.Name] = st
	}
}

// build builds a Dockerfile. It returns the error of the build, with the text that slipway
// build prints.
func (m *machine) build(dockerfile string) error {
	m.t.Helper()
	testcontext.Write(m.t, m.o.Context, map[string]string{"Dockerfile": dockerfile})
	m.steps = map[string]step{}
	var explained bytes.Buffer
	m.o.Explain = &explained
	err := builder.Run(m.t.Context(), m.o)
	m.explanation = explained.String()
	return err
}

// mustBuild builds a Dockerfile, exports the result and returns its directory.
func (m *machine) mustBuild(dockerfile string) string {
	m.t.Helper()
	dest := m.t.TempDir()
	m.o.Outputs = []builder.Output{{Type: "local", Dest: dest}}
	if err := m.build(dockerfile); err != nil {
		var text bytes.Buffer
		_ = builder.Report(&text, err, false)
		m.t.Fatal(text.String())
	}
	return dest
}

// step returns the record of the step whose name contains the given text. It fails the test
// unless exactly one step matches.
func (m *machine) step(text string) step {
	m.t.Helper()
	var found []string
	for name := range m.steps {
		if strings.Contains(name, text) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		m.t.Fatalf("steps whose name contains %q: %q, want one", text, found)
	}
	return m.steps[found[0]]
}

// executedSteps returns the sorted names of the steps that were executed and not cached. It
// omits FROM and internal steps, such as the transfer of the context.
func (m *machine) executedSteps() []string {
	var list []string
	for name, s := range m.steps {
		if !s.cached && strings.HasPrefix(name, "[") && !strings.HasPrefix(name, "[internal]") && !strings.Contains(name, "FROM ") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
