package promises

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway/builder"
)

// countingRegistry is a registry that counts its responses for each digest and tag.
type countingRegistry struct {
	t    *testing.T
	host string

	mu        sync.Mutex
	responses map[string]int // number of responses by digest or tag; HEAD requests have the prefix "HEAD "
}

func newHub(t *testing.T) *countingRegistry {
	t.Helper()
	h := &countingRegistry{t: t, responses: map[string]int{}}
	r := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		what := req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:]
		if req.Method == http.MethodHead {
			what = "HEAD " + what
		}
		if what != "" {
			h.mu.Lock()
			h.responses[what]++
			h.mu.Unlock()
		}
		r.ServeHTTP(w, req)
	}))
	t.Cleanup(s.Close)
	h.host = strings.TrimPrefix(s.URL, "http://")
	return h
}

// push pushes an image under a tag. The image consists of the given number of random layers,
// followed by the layers in add. The results are the digests of the image, of its config and
// of its layers.
func (h *countingRegistry) push(tag string, layers int64, add ...v1.Layer) (digest, config string, digests []string) {
	h.t.Helper()
	img, err := random.Image(1000, layers)
	if err != nil {
		h.t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, add...); err != nil {
		h.t.Fatal(err)
	}
	ref, err := name.ParseReference(h.host + "/" + tag)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		h.t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, l := range m.Layers {
		digests = append(digests, l.Digest.String())
	}
	d, err := img.Digest()
	if err != nil {
		h.t.Fatal(err)
	}
	h.resetCounts()
	return d.String(), m.Config.Digest.String(), digests
}

// resetCounts sets the response counters of the registry to zero.
func (h *countingRegistry) resetCounts() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.responses)
}

// counts returns the number of responses for each digest or tag in names. For a name that
// starts with "HEAD ", it returns the number of responses to HEAD requests.
func (h *countingRegistry) counts(names []string) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	var n []int
	for _, name := range names {
		n = append(n, h.responses[name])
	}
	return n
}

// TestLayersOnce checks that each layer is fetched only once, even if several images, stages
// and builds use it.
func TestLayersOnce(t *testing.T) {
	h := newHub(t)
	shared, err := random.Layer(1000, "application/vnd.oci.image.layer.v1.tar+gzip")
	if err != nil {
		t.Fatal(err)
	}
	digest, config, one := h.push("one:1", 2, shared)
	_, _, two := h.push("two:1", 1, shared)
	m := newMachine(t, nil)
	text := strings.ReplaceAll("FROM HUB/one:1 AS a\nCOPY base /x\nFROM HUB/two:1 AS b\nCOPY base /y\nFROM HUB/one:1\nCOPY --from=a /x /x\nCOPY --from=b /y /y\nCOPY --from=HUB/two:1 / /z\n", "HUB", h.host)
	m.mustBuild(text)
	all := append(slices.Clone(one), two[0])
	if got := h.counts(all); !slices.Equal(got, []int{1, 1, 1, 1}) {
		t.Errorf("the layers were sent %v times", got)
	}
	// Both tags are resolved, but the manifest is fetched only once, by digest.
	if got := h.counts([]string{config, "HEAD 1", "1", digest}); !slices.Equal(got, []int{1, 2, 0, 1}) {
		t.Errorf("the config was sent, the tags looked up, the tags and the manifest sent %v times", got)
	}
	h.resetCounts()
	m.mustBuild(text + "COPY base /new\n")
	if got := h.counts(append(all, config, digest)); !slices.Equal(got, make([]int, 6)) {
		t.Errorf("the next build fetched layers, config and manifest %v times", got)
	}
	_, _, three := h.push("three:1", 1, shared)
	m.mustBuild("FROM " + h.host + "/three:1\nCOPY base /x\n")
	if got := h.counts(three); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("of an image with a layer that another had, layers were sent %v times", got)
	}
	h.resetCounts()
	m.o.Outputs = nil
	if err := m.build("FROM " + h.host + "/one@" + digest + "\nENV a=b\n"); err != nil {
		t.Fatal(err)
	}
	if len(h.responses) > 0 {
		t.Errorf("an image that is known by its digest was asked for: %v", h.responses)
	}
}

// TestConfigOnly checks that a build that needs only the config of an image fetches no layers.
func TestConfigOnly(t *testing.T) {
	h := newHub(t)
	_, config, layers := h.push("base:1", 2)
	for about, tc := range map[string]struct {
		text    string
		outputs []builder.Output
	}{
		"a result that goes nowhere": {"FROM HUB/base:1\nENV a=b\n", nil},
		"a stage whose files are not used": {
			"FROM HUB/base:1 AS unused\nENV a=b\nFROM scratch\nCOPY base /\n",
			[]builder.Output{{Type: "local", Dest: t.TempDir()}},
		},
	} {
		m := newMachine(t, nil)
		h.resetCounts()
		m.o.Outputs = tc.outputs
		if err := m.build(strings.ReplaceAll(tc.text, "HUB", h.host)); err != nil {
			t.Fatal(err)
		}
		if got := h.counts(layers); !slices.Equal(got, []int{0, 0}) {
			t.Errorf("%s: layers were sent %v times", about, got)
		}
		if got := h.counts([]string{config}); strings.Contains(tc.text, "ENV a=b\nFROM") && got[0] != 0 {
			t.Errorf("%s: the config was sent %v times", about, got)
		}
	}
}
