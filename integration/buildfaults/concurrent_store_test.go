//go:build integration

package buildfaults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestConcurrentMoves runs builds and cache ls while another build moves blobs into layers.
// None of the commands may report that the state directory is damaged.
func TestConcurrentMoves(t *testing.T) {
	const rounds = 3
	s := newDamagedSite(t)
	other := *s.site
	other.context = filepath.Join(s.dir, "other")
	copyState(t, s.context, other.context)
	for i := range rounds {
		copyState(t, s.pristine, s.state)
		if out, err := s.start("cache", "prune", "--force", "--filter", "type=internal", "--state", s.state).CombinedOutput(); err != nil {
			t.Fatalf("prune: %v\n%s", err, out)
		}
		content := fmt.Sprintf("round %d\n", i)
		other.write("changing", content)
		dest := filepath.Join(s.dir, "moves")
		var all errgroup.Group
		start := func(c *site, args ...string) {
			all.Go(func() error {
				out, err := c.command(args...).CombinedOutput()
				if err != nil || strings.Contains(string(out), "damaged") {
					return fmt.Errorf("%q: %w\n%s", args, err, out)
				}
				return nil
			})
		}
		start(&other, "-o", dest)
		start(s.site, "-t", "kept", "--no-cache-filter", "two", "-o", "type=oci,rewrite-timestamp=true,dest="+s.archivePath())
		start(s.site, "-o", filepath.Join(s.dir, "out", "files"))
		all.Go(func() error {
			for range 5 {
				if out, err := s.start("cache", "ls", "--state", s.state).CombinedOutput(); err != nil {
					return fmt.Errorf("cache ls: %w\n%s", err, out)
				}
			}
			return nil
		})
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
		s.checkFiles("content 0\n")
		if data, err := os.ReadFile(s.archivePath()); err != nil || !bytes.Equal(data, s.image) {
			t.Errorf("round %d: the image is different, error %v", i, err)
		}
		if data, err := os.ReadFile(filepath.Join(dest, "four")); err != nil || string(data) != content+"one\ntwo\n" {
			t.Errorf("round %d: /four contains %q, %v", i, data, err)
		}
		s.checkNoTemp()
	}
}
