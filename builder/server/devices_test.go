package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/builder"
)

// TestDevices checks that the server lists the CDI devices of the machine, and that a step can use a
// device only with the entitlement for it.
func TestDevices(t *testing.T) {
	dir := t.TempDir()
	const text = `
cdiVersion: "0.6.0"
kind: vendor.com/x
devices:
- name: a
  annotations: {note: text}
  containerEdits:
    env: [DEVICE=injected]
`
	if err := os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, builder.Options{DeviceDirs: []string{dir}})
	workers, err := s.ListWorkers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := workers[0].CDIDevices; len(d) != 1 || d[0].Name != "vendor.com/x=a" || d[0].AutoAllow || d[0].Annotations["note"] != "text" {
		t.Errorf("devices %+v, want vendor.com/x=a", d)
	}
	const dockerfile = base + "RUN --device=vendor.com/x=a echo $DEVICE > /c.txt\n"
	for _, allow := range [][]string{nil, {"device=vendor.com/x"}} {
		opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": dockerfile}))
		var out tarOutput
		opt.Exports, opt.AllowedEntitlements = []client.ExportEntry{out.entry()}, allow
		_, err := s.Solve(t.Context(), nil, opt, nil)
		if allow == nil {
			if err == nil || !strings.Contains(err.Error(), "device vendor.com/x=a is requested by the build but not allowed") {
				t.Errorf("without an entitlement: error %v, want that the device is not allowed", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := out.files(t)["c.txt"]; got != "injected\n" {
			t.Errorf("variable of the device: %q, want injected", got)
		}
	}
}

// TestPlatformWarning checks that a client gets a warning if the platforms of the result are not those
// that it has requested.
func TestPlatformWarning(t *testing.T) {
	s := startServer(t, builder.Options{})
	frontend := func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		def, err := llb.Scratch().File(llb.Mkdir("/d", 0o755)).Marshal(ctx)
		if err != nil {
			return nil, err
		}
		return c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB()})
	}
	for platforms, want := range map[string]string{
		"linux/amd64,linux/arm64": "Multiple platforms requested but result is not multi-platform",
		"":                        "",
	} {
		opt := client.SolveOpt{FrontendAttrs: map[string]string{}}
		if platforms != "" {
			opt.FrontendAttrs["platform"] = platforms
		}
		st := collect()
		if _, err := s.Build(t.Context(), opt, "", frontend, st.ch); err != nil {
			t.Fatal(err)
		}
		<-st.done
		got := ""
		for _, w := range st.all.Warnings {
			got += string(w.Short)
		}
		if got != want {
			t.Errorf("platforms %q: warnings %q, want %q", platforms, got, want)
		}
	}
}
