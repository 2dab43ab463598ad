package frontend

import (
	"context"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/frontend/inputs"
	"slipway/frontend/options"
	"slipway/internal/fakegateway"
)

// platformBarrier is a [barrier] that handles requests for the config of an image
// separately for each platform.
type platformBarrier struct{ *barrier }

func (b platformBarrier) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	name := op.Identifier + " " + platforms.FormatAll(*opt.ImageOpt.Platform)
	if err := b.arrive(ctx, name); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Client.ResolveSourceMetadata(ctx, op, opt)
}

var _ client.Client = platformBarrier{}

// TestOncePerBuild checks that platforms share their inputs. The Dockerfile is read once,
// each image is resolved once per platform that needs it, and platforms are converted
// concurrently.
func TestOncePerBuild(t *testing.T) {
	const image = "docker-image://docker.io/library/"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b := fakegateway.New("FROM --platform=$BUILDPLATFORM tools AS t\nFROM a AS x\nFROM a\nCOPY --from=x / /x\nCOPY --from=t / /t\nCOPY --from=a / /a\n",
		map[string]string{"platform": "linux/amd64,linux/arm64,linux/s390x"})
	c := platformBarrier{newBarrier(b, []string{image + "a:latest linux/amd64", image + "a:latest linux/arm64", image + "a:latest linux/s390x"})}
	if _, err := Build(ctx, c); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"Dockerfile": 1,
		image + "tools:latest " + defaultPlatform(): 1,
		image + "a:latest linux/amd64":              1,
		image + "a:latest linux/arm64":              1,
		image + "a:latest linux/s390x":              1,
	}
	for name, n := range want {
		if c.requests[name] != n {
			t.Errorf("%s is requested %d times, want %d", name, c.requests[name], n)
		}
	}
	for name := range c.requests {
		if _, ok := want[name]; !ok && len(name) > len(image) && name[:len(image)] == image {
			t.Errorf("unexpected request for %s", name)
		}
	}
}

// defaultPlatform returns the platform for which the frontend builds if the builder reports no
// platform.
func defaultPlatform() string {
	return platforms.FormatAll(platforms.Normalize(platforms.DefaultSpec()))
}

// TestOneParse checks that the plans for all platforms share one parsed file.
func TestOneParse(t *testing.T) {
	c := fakegateway.New("FROM a\nRUN b\n", nil)
	opts, err := options.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &build{client: c, opts: c.BuildOpts(), options: opts, inputs: inputs.New(c, opts)}
	if b.file, err = b.inputs.Dockerfile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.parseBuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		got, err := b.platform(t.Context(), &ocispecs.Platform{OS: "linux", Architecture: arch}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got.result.Plan.Dockerfile != b.dockerfile {
			t.Errorf("%s is planned from a separate file", arch)
		}
	}
}
