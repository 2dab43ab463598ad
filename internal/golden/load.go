package golden

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/internal/slowtest"
)

// Load reads all archives below the directory root, which is the directory testdata of this
// module. It returns the cases sorted by name, or an error for the first malformed archive.
func Load(root string) ([]*Case, error) { return load(root, Categories()) }

// LoadExtensions is like [Load], but reads the archives about extensions, which are not part of
// the corpus.
func LoadExtensions(root string) ([]*Case, error) { return load(root, []string{extensions}) }

func load(root string, categories []string) ([]*Case, error) {
	var cases []*Case
	for _, category := range categories {
		err := filepath.WalkDir(filepath.Join(root, category), func(file string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && e == nil {
				return nil // the category has no cases
			}
			if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") { // skip temporary files, which tests of other packages create concurrently
				return err
			}
			c, err := read(root, file)
			if err != nil {
				return err
			}
			cases = append(cases, c)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(cases, func(a, b *Case) int { return strings.Compare(a.Name, b.Name) })
	return cases, nil
}

func read(root, file string) (*Case, error) {
	rel, err := filepath.Rel(root, file)
	if err != nil {
		return nil, err
	}
	name, ok := strings.CutSuffix(filepath.ToSlash(rel), ".txtar")
	if !ok {
		return nil, fmt.Errorf("%s is not an archive", rel)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c, err := Parse(name, data)
	if err != nil {
		return nil, err
	}
	c.Path = file
	return c, nil
}

// Root returns the path of the corpus: the directory testdata next to the nearest go.mod, in
// the working directory or above it.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "testdata"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Cases returns all cases in testdata. It fails the test if they cannot be read.
func Cases(t testing.TB) []*Case {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	cases, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("no cases in %s", root)
	}
	return cases
}

// RunExtensions runs f in a parallel subtest for each case about extensions.
func RunExtensions(t *testing.T, f func(t *testing.T, c *Case)) {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	cases, err := LoadExtensions(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no cases about extensions")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			f(t, c)
		})
	}
}

// sampleInterval determines the sample of cases that [Run] uses with -short: every fifth case.
const sampleInterval = 5

// Run runs f in a parallel subtest for each case in testdata. With -short, it runs only a
// sample of the cases, unless UPDATE=1 is set.
func Run(t *testing.T, f func(t *testing.T, c *Case)) {
	t.Helper()
	for i, c := range Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			if !updateRequested() && i%sampleInterval != 0 {
				slowtest.Skip(t, "is one of many cases")
			}
			t.Parallel()
			f(t, c)
		})
	}
}
