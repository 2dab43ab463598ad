package golden

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/containerd/platforms"
)

func TestResolve(t *testing.T) {
	c, err := Parse("from/a", []byte(`# t
-- images/alpine:3.20.json --
{"os":"linux","architecture":"mine"}
-- images/example.com:5000/a/b#linux/arm64.json --
{"os":"linux","architecture":"arm64"}
-- images/busybox.json --
`))
	if err != nil {
		t.Fatal(err)
	}
	im, err := c.Images()
	if err != nil {
		t.Fatal(err)
	}
	digest := "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	tests := []struct{ ref, platform, want string }{ // want is os/architecture, or "" if the image must not exist
		{"alpine", "linux/amd64", "linux/amd64"},
		{"docker.io/library/alpine:latest", "linux/arm64/v8", "linux/arm64"},
		{"alpine:edge", "windows/amd64", "windows/amd64"},
		{"alpine" + digest, "linux/386", "linux/386"},
		{"alpine:3.20", "linux/amd64", "linux/mine"},
		{"alpine:missing", "linux/amd64", ""},
		{"busybox", "linux/amd64", ""},
		{"nosuch", "linux/amd64", ""},
		{"example.com:5000/a/b", "linux/amd64", ""},
		{"example.com:5000/a/b", "linux/arm64", "linux/arm64"},
		{"example.com/amd64", "linux/s390x", "linux/amd64"},
		{"example.com/arm64only", "linux/amd64", ""},
		{"mcr.microsoft.com/windows/nanoserver:ltsc2022", "linux/amd64", "windows/amd64"},
	}
	for _, tt := range tests {
		p := platforms.MustParse(tt.platform)
		img, err := im.Resolve(tt.ref, &p)
		if tt.want == "" {
			if !errors.Is(err, ErrNoImage) {
				t.Errorf("%s: %v, want ErrNoImage", tt.ref, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.ref, err)
			continue
		}
		var got struct{ OS, Architecture string }
		if err := json.Unmarshal(img.Config, &got); err != nil {
			t.Errorf("%s: %v", tt.ref, err)
		}
		if got := got.OS + "/" + got.Architecture; got != tt.want {
			t.Errorf("%s for %s is %s, want %s", tt.ref, tt.platform, got, tt.want)
		}
	}
	if img, err := im.Resolve("alpine"+digest, nil); err != nil || "@"+string(img.Digest) != digest {
		t.Errorf("the digest differs from the reference: %v, %v", img.Digest, err)
	}
}
