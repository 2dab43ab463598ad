//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/frontend"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// shared is the BuildKit daemon and registry. Only TestMain sets it.
var shared *rig.Rig

func TestMain(m *testing.M) { rig.Main(m, func(r *rig.Rig) { shared = r }) }

// TestCommandImage pushes the image of slipway and runs the command in a container, where it
// prints its version and builds a Dockerfile, as root and as another user.
func TestCommandImage(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	src, err := open(t.Context(), root, "")
	if err != nil {
		t.Fatal(err)
	}
	k, err := kindOf("slipway", src)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	index, err := makeIndex(t.Context(), &out, src, k, []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	if err := shared.PushImage(t.Context(), "slipway/slipway:1", index); err != nil {
		t.Fatal(err)
	}
	res, err := shared.Build(t.Context(), rig.Request{Dockerfile: strings.ReplaceAll(`FROM IMAGE AS files
COPY <<EOF Dockerfile
FROM scratch
COPY <<END /greeting
hello
END
EOF
FROM files AS root
RUN ["/bin/slipway", "version", "--json"]
RUN ["/bin/slipway", "build", "--progress=plain", "-o", "/out", "."]
FROM files AS other
USER 1000
RUN ["/bin/slipway", "build", "--progress=plain", "-o", "/tmp/out", "."]
FROM scratch
COPY --from=root /out/greeting /
COPY --from=other /tmp/out/greeting /other
`, "IMAGE", rig.Registry+"/slipway/slipway:1"), Image: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, shared.DaemonLog(2000))
	}
	for _, text := range res.Logs {
		var v struct{ Slipway, Dockerfile, Commit string }
		if json.Unmarshal(text, &v) == nil && v.Commit != "" {
			if v.Slipway != "v"+src.Version || v.Dockerfile != frontend.DockerfileVersion || v.Commit != src.Commit {
				t.Errorf("version %s", text)
			}
			return
		}
	}
	t.Errorf("no version in the output %q", res.Logs)
}
