package corpus

import (
	"strings"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestCompact(t *testing.T) {
	d := digest.FromString("x").String()
	tests := []struct{ text, want string }{
		{"a " + d + " b\n", "a " + d[:len("sha256:")+12] + "… b\n"},
		{strings.Repeat("x", 2000) + "\n", strings.Repeat("x", 375) + "… 2001 bytes, " + Short(strings.Repeat("x", 2000)+"\n") + "\n"},
		{strings.Repeat("x\n", 201), strings.Repeat("x\n", 20) + "… 201 lines, " + Short(strings.Repeat("x\n", 201)) + "\n"},
		{strings.Repeat("x\n", 200), strings.Repeat("x\n", 200)},
	}
	for _, tt := range tests {
		if got := Compact(tt.text); got != tt.want {
			t.Errorf("Compact(%.20q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestImage(t *testing.T) {
	base := &dockerspec.DockerOCIImage{}
	base.RootFS = ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{"sha256:a"}}
	base.History = []ocispecs.History{{CreatedBy: "base"}}
	img := *base
	img.OS, img.Architecture = "linux", "arm64"
	img.History = append(img.History, ocispecs.History{CreatedBy: "CMD <x>", EmptyLayer: true})
	img.Config.Cmd = []string{"<x>"}
	tests := []struct {
		base *dockerspec.DockerOCIImage
		want string
	}{
		{base, "platform linux/arm64\nrootfs of the base, 1 layers\nhistory of the base, 1 lines\n" +
			"history {\"created_by\":\"CMD <x>\",\"empty_layer\":true}\nCmd [\"<x>\"]\n"},
		{nil, "platform linux/arm64\nhistory {\"created_by\":\"base\"}\nhistory {\"created_by\":\"CMD <x>\",\"empty_layer\":true}\n" +
			"Cmd [\"<x>\"]\nrootfs {\"type\":\"layers\",\"diff_ids\":[\"sha256:a\"]}\n"},
	}
	for _, tt := range tests {
		got, err := Image(&img, tt.base)
		if err != nil || got != tt.want {
			t.Errorf("Image = %q, %v, want %q", got, err, tt.want)
		}
	}
}
