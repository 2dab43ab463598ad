package builder

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"slipway/solver/export"
	"slipway/solver/tree"
)

// Names of attributes of outputs of files, as in BuildKit's exporters.
const (
	sourceAttr = "src"                // path of the exported directory in the result
	splitAttr  = "platform-split"     // whether each platform gets a directory of its own
	modeAttr   = "mode"               // modeCopy or modeDelete
	prefixAttr = "attestation-prefix" // prefix of the names of files with attestations
)

// Values of modeAttr.
const (
	modeCopy   = "copy"   // other files in the destination remain
	modeDelete = "delete" // other files in the destination are removed
)

// isFiles reports whether the output consists of the files of the result.
func (o Output) isFiles() bool { return o.Type == "local" || o.Type == "tar" }

// deletes reports whether the output removes other files in its destination.
func (o Output) deletes() bool { return o.Type == "local" && o.Attrs[modeAttr] == modeDelete }

// checkFiles returns an error if the attributes of an output of files are invalid.
func (o Output) checkFiles() error {
	if !o.isFiles() {
		return nil
	}
	if v, ok := o.Attrs[sourceAttr]; ok && v == "" {
		return fmt.Errorf("empty value for %s; omit it to export the entire filesystem", sourceAttr) // worded as in BuildKit
	}
	if v, ok := o.Attrs[splitAttr]; ok {
		if _, err := strconv.ParseBool(v); err != nil {
			return fmt.Errorf("%s=%s is neither true nor false", splitAttr, v)
		}
	}
	switch v := o.Attrs[modeAttr]; v {
	case "", modeCopy, modeDelete:
	default:
		return fmt.Errorf("unknown %s %q (use %s or %s)", modeAttr, v, modeCopy, modeDelete)
	}
	return nil
}

// split reports whether each platform gets a directory of its own. The parameter isMap is
// [buildResult.isMap].
func (o Output) split(isMap bool) bool {
	if v, err := strconv.ParseBool(o.Attrs[splitAttr]); err == nil {
		return v
	}
	return isMap
}

// writeFiles writes the files of a build result to a directory or a tar archive. As in
// BuildKit, each of several platforms gets its own directory, such as linux_amd64.
func (s *localBuilder) writeFiles(ctx context.Context, o *Options, out Output, b buildResult) error {
	root, err := s.files(o, out, b)
	if err != nil {
		return err
	}
	if root, err = s.Store.StubSockets(root); err != nil {
		return err
	}
	switch {
	case out.Type == "tar":
		return s.writeArchive(ctx, imageOutput{out, 0, &Result{}}, func(w io.Writer) error {
			return tree.WriteLayer(ctx, w, tree.Layer{Upper: root}, s.Store, tree.LayerOptions{})
		})
	case out.To != nil:
		return out.To.Dir(ctx, root, s.Store)
	}
	outputs := s.Outputs()
	outputs.Delete = out.deletes()
	outputs.Refused = func(name string) {
		fmt.Fprintf(o.log(), "warning: output local: /%s is left out (making devices needs root; type=tar holds them)\n", name)
	}
	return outputs.WriteDir(ctx, out.Dest, root, s.Store)
}

// files returns the file tree of an output: the files of all platforms.
func (s *localBuilder) files(o *Options, out Output, b buildResult) (*tree.Node, error) {
	split := out.split(b.isMap)
	if out.Type == "tar" {
		split = b.isMap // Upstream: platform-split only changes the names of attestations
	}
	var dirs []platformNode
	var entries []tree.Entry
	for _, r := range b.results {
		n, err := s.platformFiles(o, out, r, b.isMap)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, platformNode{r.ID, n})
		entries = append(entries, tree.Entry{Name: platformDir(r.ID), Node: n})
	}
	if split {
		return tree.NewDir(tree.Meta{Mode: 0o755}, entries)
	}
	return merged("", dirs)
}

// platformFiles returns the files of the result r with its attestations. The parameter isMap is
// [buildResult.isMap].
func (s *localBuilder) platformFiles(o *Options, out Output, r export.PlatformResult, isMap bool) (*tree.Node, error) {
	n, err := r.Snapshot.Tree()
	if err != nil {
		return nil, err
	}
	if src, ok := out.Attrs[sourceAttr]; ok {
		if n, err = dirAt(n, src); err != nil {
			return nil, err
		}
	}
	if r.Epoch != nil {
		if n, err = n.WithModTime(*r.Epoch); err != nil {
			return nil, err
		}
	}
	files := statementFiles{prefix: out.Attrs[prefixAttr], blobs: s.exporter(o).Blobs()}
	if isMap && !out.split(isMap) {
		files.platform = platformDir(r.ID)
	}
	if n, err = s.addStatements(n, r, files, o.Now()); err != nil {
		return nil, err
	}
	return n.Separate(r.ID)
}

// dirAt returns the directory at a path in the file tree n. It follows symbolic links, which
// cannot lead out of the tree.
func dirAt(n *tree.Node, name string) (*tree.Node, error) {
	at, err := n.Resolve(name, true)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", sourceAttr, name, err)
	}
	dir, err := n.Get(at)
	switch {
	case err != nil:
		return nil, err
	case dir == nil:
		return nil, fmt.Errorf("%s=%s: %w", sourceAttr, name, syscall.ENOENT)
	case dir.Kind() != tree.Dir:
		return nil, fmt.Errorf("%s=%s: %w", sourceAttr, name, syscall.ENOTDIR)
	}
	return dir, nil
}

// platformDir returns the name of the directory for the platform with an ID: linux_arm_v7 for
// linux/arm/v7.
func platformDir(id string) string {
	switch dir := strings.NewReplacer("/", "_", `\`, "_", ":", "_").Replace(id); dir {
	case ".", "..":
		return strings.Repeat("_", len(dir))
	default:
		return dir
	}
}

// platformNode is a file or directory in the result for the platform with an ID.
type platformNode struct {
	id   string
	node *tree.Node
}

// union returns a directory with the entries of all given directories, which are at the path dir
// of the results. Directories with the same name are merged. Other entries with the same name are
// an error.
func union(dir string, dirs []platformNode) (*tree.Node, error) {
	byName := map[string][]platformNode{}
	for _, d := range dirs {
		entries, err := d.node.Entries()
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			byName[e.Name] = append(byName[e.Name], platformNode{d.id, e.Node})
		}
	}
	var entries []tree.Entry
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		n, err := merged(path.Join(dir, name), byName[name])
		if err != nil {
			return nil, err
		}
		entries = append(entries, tree.Entry{Name: name, Node: n})
	}
	return tree.NewDir(dirs[len(dirs)-1].node.Meta(), entries)
}

// merged returns the only node in the list, or the union of several directories. The parameter name
// is the path of the nodes in the results.
func merged(name string, list []platformNode) (*tree.Node, error) {
	if len(list) == 1 {
		return list[0].node, nil
	}
	if i := slices.IndexFunc(list, func(n platformNode) bool { return n.node.Kind() != tree.Dir }); i >= 0 {
		old, at := list[0].id, list[max(i, 1)].id
		return nil, fmt.Errorf("cannot overwrite %s from %s with %s when split option is disabled", name, old, at) // worded as in BuildKit
	}
	return union(name, list)
}
