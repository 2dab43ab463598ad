//go:build integration

package daemon

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"slipway/build"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
)

// TestSolver builds each case of testdata/image with our own solver, and
// compares the images, layer by layer, with those that BuildKit makes.
func TestSolver(t *testing.T) {
	state := t.TempDir()
	for _, c := range readCases(t, "image") {
		t.Run(c.name, func(t *testing.T) {
			got := solveImage(t, c.request, state)
			want, _ := buildImage(t, c.withSyntax(ours))
			if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
				t.Errorf("%s\nimage (-BuildKit +solver):\n%s", c.about, diff)
			}
		})
	}
}

// solveImage returns the image that our own solver makes as text.
func solveImage(t *testing.T, req rig.Request, state string) string {
	t.Helper()
	dir := t.TempDir()
	archive := filepath.Join(dir, "image.tar")
	writeFile(t, filepath.Join(dir, "Dockerfile"), []byte(req.Dockerfile))
	o := build.Options{
		Context: req.Context, File: filepath.Join(dir, "Dockerfile"),
		BuildArgs: map[string]string{}, Labels: map[string]string{}, Contexts: req.Contexts,
		Outputs: []build.Output{{Type: "oci", Dest: archive}},
		Secrets: req.Secrets, Agents: serveAgent(t, req.SSHKey), Allow: req.Entitlements,
		State: state, Now: time.Now, Mirrors: map[string]string{"docker.io": builder.Addr, rig.Registry: builder.Addr},
	}
	for key, v := range req.Attrs {
		setOption(t, &o, key, v)
	}
	if err := build.Run(t.Context(), o); err != nil {
		var text bytes.Buffer
		_ = build.Report(&text, err, false)
		t.Fatal(text.String())
	}
	index, err := imagetree.Open(archive, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	images, err := imagetree.Read(index, imagetree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, i := range images {
		b.WriteString(i.String())
	}
	return b.String()
}

// setOption sets what a frontend option stands for.
func setOption(t *testing.T, o *build.Options, key, v string) {
	t.Helper()
	family, name, _ := strings.Cut(key, ":")
	switch family {
	case "build-arg":
		o.BuildArgs[name] = v
	case "label":
		o.Labels[name] = v
	case "target":
		o.Target = v
	case "platform":
		o.Platforms = strings.Split(v, ",")
	case "no-cache":
		o.NoCache = v == ""
		o.NoCacheFilter = strings.FieldsFunc(v, func(r rune) bool { return r == ',' })
	case "add-hosts":
		o.AddHosts = strings.Split(v, ",")
	case "force-network-mode":
		o.Network = v
	case "hostname":
		o.Hostname = v
	default:
		t.Fatalf("option %s has no place in the solver's options", key)
	}
}

// serveAgent serves a key as the default agent, if there is one.
func serveAgent(t *testing.T, keyFile string) map[string]string {
	t.Helper()
	if keyFile == "" {
		return nil
	}
	data, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if err := agent.ServeAgent(keys, conn); err != nil && !errors.Is(err, io.EOF) {
					t.Log(err)
				}
			}()
		}
	}()
	return map[string]string{"default": socket}
}
