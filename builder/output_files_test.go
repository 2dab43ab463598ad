package builder

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/solver/export"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// filesOf returns a result for a platform with the given files, whose contents are in the store.
func filesOf(t *testing.T, s *tree.Store, id string, files map[string]string) export.PlatformResult {
	t.Helper()
	e := tree.Edit(nil)
	for name, data := range files {
		if _, err := e.MkdirAll(filepath.Dir(name), tree.Meta{Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		b, err := s.PutBytes([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o644}, b)); err != nil {
			t.Fatal(err)
		}
	}
	return export.PlatformResult{ID: id, Snapshot: snapshot.New(nil, nil).With(e.Tree())}
}

// namesIn returns the paths of the files in a directory, separated by spaces.
func namesIn(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// TestFileAttributes checks the attributes of outputs of files: which files the directory contains,
// or which error the output is.
func TestFileAttributes(t *testing.T) {
	s, err := openLocal(&Options{State: t.TempDir(), Now: time.Now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	one := []export.PlatformResult{filesOf(t, s.Store, "linux/amd64", map[string]string{"top": "", "sub/a": "", "sub/deep/b": ""})}
	two := append(slices.Clone(one), filesOf(t, s.Store, "linux/arm/v7", map[string]string{"sub/c": "", "sub/deep/d": ""}))
	conflict := append(slices.Clone(one), filesOf(t, s.Store, "a:b", map[string]string{"sub/a": "other"}))
	for _, tc := range []struct {
		attrs   string
		results []export.PlatformResult
		isMap   bool
		want    string // files, or a part of the error
	}{
		{"", one, false, "old sub/a sub/deep/b top"},
		{"src=/sub", one, false, "a deep/b old"},
		{"src=sub/../sub/deep", one, false, "b old"},
		{"src=/none", one, false, "src=/none: no such file or directory"},
		{"src=/top", one, false, "src=/top: not a directory"},
		{"mode=copy", one, false, "old sub/a sub/deep/b top"},
		{"mode=delete", one, false, "sub/a sub/deep/b top"},
		{"platform-split=true", one, false, "linux_amd64/sub/a linux_amd64/sub/deep/b linux_amd64/top old"},
		{"src=sub", two, true, "linux_amd64/a linux_amd64/deep/b linux_arm_v7/c linux_arm_v7/deep/d old"},
		{"platform-split=false", two, true, "old sub/a sub/c sub/deep/b sub/deep/d top"},
		{"platform-split=false,mode=delete", two, true, "sub/a sub/c sub/deep/b sub/deep/d top"},
		{"platform-split=false", conflict, true, "cannot overwrite sub/a from linux/amd64 with a:b when split option is disabled"},
		{"", conflict, true, "a_b/sub/a linux_amd64/sub/a linux_amd64/sub/deep/b linux_amd64/top old"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := ParseOutput(strings.TrimSuffix("type=local,dest="+dir+","+tc.attrs, ","))
		if err == nil {
			err = errors.Join(out.checkLocal(), s.writeFiles(t.Context(), &Options{Now: time.Now}, out, buildResult{results: tc.results, isMap: tc.isMap}))
		}
		got := namesIn(t, dir)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%q with %d platforms: got %q, want %q", tc.attrs, len(tc.results), got, tc.want)
		}
	}
}

// TestBadAttributes checks the errors for invalid attributes of outputs.
func TestBadAttributes(t *testing.T) {
	for value, want := range map[string]string{
		"type=local,dest=x,src=":                                      "empty value for src",
		"type=tar,dest=x,platform-split=some":                         "platform-split=some is neither true nor false",
		"type=local,dest=x,mode=move":                                 `unknown mode "move"`,
		"type=oci,dest=x,mode=delete":                                 "mode=delete requires a BuildKit daemon",
		"type=oci,dest=x,oci-mediatypes=":                             "",
		"type=oci,dest=x,oci-mediatypes=no":                           "oci-mediatypes=no is neither true nor false",
		"type=oci,dest=x,oci-mediatypes=false,compression=zstd":       "",
		"type=oci,dest=x,oci-mediatypes=false,oci-artifact=true":      `"oci-artifact=true" conflicts with "oci-mediatypes=false"`,
		"type=image,push-by-digest=perhaps":                           "push-by-digest=perhaps is neither true nor false",
		"type=oci,dest=x,compresion=zstd":                             `unknown attribute "compresion" (did you mean compression?)`,
		"type=docker,dest=x,store=false":                              "store=false requires a BuildKit daemon",
		"type=local,dest=x,src=/a,mode=delete,platform-split=false":   "",
		"type=image,name=*,push=true,store=false,push-by-digest=true": "",
	} {
		out, err := ParseOutput(value)
		if err == nil {
			err = out.checkLocal()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", value, err, want)
		}
	}
}

// TestFrontendName checks that an output with the name * gets the names that the frontend chooses.
func TestFrontendName(t *testing.T) {
	o := &Options{Outputs: []Output{{Type: "image", Name: "*"}, {Type: "oci", Name: "own"}}}
	named, err := o.withNames(map[string][]byte{"image.name": []byte("a:1,b")})
	if err != nil {
		t.Fatal(err)
	}
	if got := named.Outputs[0].Name + " " + named.Outputs[1].Name; got != "a:1,b own" {
		t.Errorf("got the names %q", got)
	}
	for _, md := range []map[string][]byte{nil, {"image.name": []byte("*")}, {"image.name": []byte("Bad Name")}} {
		if _, err := o.withNames(md); err == nil {
			t.Errorf("the metadata %q is not an error", slices.Collect(maps.Values(md)))
		}
	}
}
