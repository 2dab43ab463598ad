package dockerfile2llb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/dockerfile2llb"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/internal/slowtest"
	"slipway/parser"
	"slipway/source"
)

const (
	// maxHeld is the maximum memory that is still reachable after a conversion, and maxAllocated
	// is the maximum memory that a conversion allocates in total. Both are numbers of bytes per
	// byte of input and output, the Dockerfile and the converted result.
	maxHeld      = 200
	maxAllocated = 1500
	// maxBeforeLimit is the maximum number of bytes allocated by a conversion that fails
	// because the result would exceed a limit.
	maxBeforeLimit = 512 << 20
)

// TestBounds checks that the memory for converting a hostile file is proportional to the
// size of the file and the result. It compares files of n and 4n bytes. It counts
// allocations instead of time, because they are reproducible.
func TestBounds(t *testing.T) {
	slowtest.Skip(t, "converts hundreds of large files")
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			n := 8 << 10
			if s.square || s.slow {
				n /= 4
			}
			small, large := measure(t, s.text(n)), measure(t, s.text(4*n))
			for range 4 { // one measurement can be too high: see memtest.Allocated
				if s.excess(small, large) == "" {
					break
				}
				small, large = small.least(measure(t, s.text(n))), large.least(measure(t, s.text(4*n)))
			}
			if excess := s.excess(small, large); excess != "" {
				t.Error(excess)
			}
		})
	}
}

// excess compares the costs of a small and a large file of the same shape with the limits. It
// describes a limit that the costs exceed, or returns "" if they exceed no limit.
func (s shape) excess(small, large cost) string {
	for _, m := range []cost{small, large} {
		if m.allocated > maxBeforeLimit {
			return fmt.Sprintf("allocates %d bytes, want at most %d", m.allocated, maxBeforeLimit)
		}
		if !m.limited && !s.copies && (m.held > maxHeld*m.bytes+1<<20 || m.allocated > maxAllocated*m.bytes) {
			return fmt.Sprintf("holds %d and allocates %d bytes for %d", m.held, m.allocated, m.bytes)
		}
	}
	if small.limited || large.limited || s.copies {
		return ""
	}
	grown, allowed := float64(large.allocated)/float64(small.allocated), float64(large.bytes)/float64(small.bytes)
	if grown > 1.5*allowed {
		return fmt.Sprintf("%.1f times the bytes need %.1f times the allocations", allowed, grown)
	}
	return ""
}

// cost is the memory that a conversion uses, and the size of its input and result.
type cost struct {
	bytes     uint64 // size of the file and the result
	held      uint64 // bytes reachable at the end
	allocated uint64 // bytes allocated in total
	limited   bool   // whether the file exceeds a limit
}

// least returns the lower memory use of c and other, two measurements of the same conversion.
func (c cost) least(other cost) cost {
	c.held, c.allocated = min(c.held, other.held), min(c.allocated, other.allocated)
	return c
}

// measure converts a Dockerfile with the given content, and returns the memory that the
// conversion uses.
func measure(t *testing.T, text string) cost {
	t.Helper()
	text = foldLines(text)
	var before, after, held runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	out, all, err := convertAll(text)
	runtime.ReadMemStats(&after)
	runtime.GC()
	runtime.ReadMemStats(&held)
	runtime.KeepAlive(all)
	if err != nil && err.Error() == "" {
		t.Error("error without a message")
	}
	return cost{
		bytes: uint64(len(text) + out), allocated: after.TotalAlloc - before.TotalAlloc,
		held:    held.HeapAlloc - min(before.HeapAlloc, held.HeapAlloc),
		limited: err != nil && isLimit(err.Error()),
	}
}

// isLimit reports whether msg is an error about a size limit.
func isLimit(msg string) bool {
	return strings.Contains(msg, "build plan exceeds") || strings.HasSuffix(msg, "longer than the word") ||
		strings.HasSuffix(msg, "takes too long to match")
}

// convertAll parses and plans a Dockerfile, converts it to LLB and encodes the result. It
// returns the total size of the results in bytes. It also returns all values that a build
// would hold in memory, so that the caller can measure them.
func convertAll(text string) (size int, all [3]any, err error) {
	f, diags := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
	if err := diags.Err(); err != nil {
		return 0, [3]any{err}, err
	}
	d, diags := instructions.Parse(f)
	if err := diags.Err(); err != nil {
		return 0, [3]any{err}, err
	}
	caps := pb.Caps.CapSet(pb.Caps.All())
	opt := dockerfile2llb.Options{
		Inputs: inputs{golden.DefaultImages()}, Caps: &caps,
		SourceMap: llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", f.Source.Bytes),
	}
	opt.Plan.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	res, err := dockerfile2llb.Convert(context.Background(), d, opt)
	if err != nil {
		return 0, [3]any{d, err}, err
	}
	def, err := res.State.Marshal(context.Background(), llb.LocalUniqueID("fixed"))
	if err != nil {
		return 0, [3]any{d, res, err}, err
	}
	config, err := json.Marshal(res.Image)
	return def.ToPB().SizeVT() + len(config), [3]any{d, res, def}, err
}

// foldLines splits lines that exceed the maximum length into continued lines.
func foldLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		for len(line) > 60_000 {
			i := 60_000
			for i > 50_000 && (line[i-1] == '\\' || strings.IndexByte("# \n", line[i]) >= 0 || line[i] >= 0x80) {
				i--
			}
			b.WriteString(line[:i] + "\\\n")
			line = line[i:]
		}
		b.WriteString(line)
	}
	return b.String()
}
