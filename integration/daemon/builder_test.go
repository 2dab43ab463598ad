//go:build integration

package daemon

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"

	"slipway/build"
	"slipway/integration/rig"
)

const builderDockerfile = `FROM busybox AS base
ARG WHO
COPY a /
COPY --from=dir f /
COPY --from=layout bin/busybox /second
RUN --mount=type=secret,id=s --mount=type=ssh \
    test -S "$SSH_AUTH_SOCK" && echo "$WHO $(cat /run/secrets/s)" > /told
FROM scratch AS files
COPY --from=base /told /a /f /
`

// builderOptions is a build with all that a client has to serve.
func builderOptions(t *testing.T) build.Options {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "context", "Dockerfile"), []byte(builderDockerfile))
	writeFile(t, filepath.Join(dir, "context", "a"), []byte("from the context"))
	writeFile(t, filepath.Join(dir, "dir", "f"), []byte("from a directory"))
	key := filepath.Join(dir, "key")
	if err := rig.WriteSSHKey(key); err != nil {
		t.Fatal(err)
	}
	return build.Options{
		Context:   filepath.Join(dir, "context"),
		Contexts:  map[string]string{"dir": filepath.Join(dir, "dir"), "layout": "oci-layout://" + busyboxLayout(t)},
		BuildArgs: map[string]string{"WHO": t.Name()}, Labels: map[string]string{"l": "v"},
		Secrets: map[string][]byte{"s": []byte("secret")}, Agents: serveAgent(t, key),
		Builder: &build.Builder{Address: builder.Socket}, Now: time.Now,
	}
}

// busyboxLayout is an OCI layout of a base image.
func busyboxLayout(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	o := build.Options{
		Context: "-", Stdin: strings.NewReader("FROM busybox"), Builder: &build.Builder{Address: builder.Socket}, Now: time.Now,
		Outputs: []build.Output{{Type: "oci", Dest: dir, Attrs: map[string]string{"tar": "false"}}},
	}
	if err := build.Run(t.Context(), o); err != nil {
		t.Fatal(report(err))
	}
	return dir
}

// report is an error as users see it.
func report(err error) string {
	var b strings.Builder
	_ = build.Report(&b, err, false)
	return b.String()
}

func wantText(t *testing.T, file, want string) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v, want %q", filepath.Base(file), got, err, want)
	}
}

// TestBuilder builds on BuildKit with the frontend in this process, by every
// kind of address.
func TestBuilder(t *testing.T) {
	authority, certificate := newCertificate(t, nil, nil)
	_, ours := newCertificate(t, authority, certificate)
	standIn(t)
	for about, address := range map[string]build.Builder{
		"unix":             {Address: builder.Socket},
		"tcp":              {Address: "tcp://" + forward(t, nil)},
		"docker-container": {Address: "docker-container://rig"},
		"TLS": {
			Address: "tcp://" + forward(t, serverTLS(t, authority, certificate)),
			CACert:  ours.authority, Cert: ours.cert, Key: ours.key, ServerName: "builder.test",
		},
	} {
		t.Run(about, func(t *testing.T) {
			o := builderOptions(t)
			o.Builder = &address
			out := t.TempDir()
			o.Outputs = []build.Output{{Type: "local", Dest: out}}
			if err := build.Run(t.Context(), o); err != nil {
				t.Fatal(report(err))
			}
			wantText(t, filepath.Join(out, "told"), t.Name()+" secret\n")
			wantText(t, filepath.Join(out, "a"), "from the context")
			wantText(t, filepath.Join(out, "f"), "from a directory")
		})
	}
}

// TestBuilderOutputs writes all kinds of outputs, and has the digests that
// BuildKit has.
func TestBuilderOutputs(t *testing.T) {
	o := builderOptions(t)
	dir := t.TempDir()
	o.Tags = []string{builder.Addr + "/builder:outputs"}
	o.Annotations = map[string]string{"annotation-manifest.k": "v"}
	o.CacheTo = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"dest": filepath.Join(dir, "cache")}}}
	for _, v := range []string{"type=oci,dest=oci.tar", "type=docker,dest=docker.tar", "type=tar,dest=files.tar", "files", "type=registry"} {
		out, err := build.ParseOutput(v)
		if err != nil {
			t.Fatal(err)
		}
		if out.Dest != "" {
			out.Dest = filepath.Join(dir, out.Dest)
		}
		o.Outputs = append(o.Outputs, out)
	}
	res, err := build.Build(t.Context(), o)
	if err != nil {
		t.Fatal(report(err))
	}
	wantText(t, filepath.Join(dir, "files", "told"), t.Name()+" secret\n")
	ref, err := name.NewTag(builder.Addr+"/builder:outputs", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Exported["containerimage.config.digest"]; got != m.Config.Digest.String() || m.Annotations["k"] != "v" {
		t.Errorf("config %s, want %s; annotations %v", got, m.Config.Digest, m.Annotations)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range list {
		names = append(names, d.Name())
	}
	if diff := cmp.Diff([]string{"cache", "docker.tar", "files", "files.tar", "oci.tar"}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "cache", "index.json")); err != nil {
		t.Errorf("the cache was not exported: %v", err)
	}
}

// TestBuilderStdin sends a Dockerfile and a context that come on standard input.
func TestBuilderStdin(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "context.tar")
	writeTar(t, archive, "Dockerfile", "FROM scratch\nCOPY Dockerfile /f\n")
	context, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "context", "a"), []byte("a"))
	for _, tc := range []struct {
		context, file string
		in            []byte
		want          string
	}{
		{"-", "", context, "FROM scratch\nCOPY Dockerfile /f\n"},
		{"-", "", []byte("FROM scratch\nCOPY <<EOF /f\nx\nEOF\n"), "x\n"},
		{filepath.Join(dir, "context"), "-", []byte("FROM scratch\nCOPY a /f\n"), "a"},
	} {
		out := t.TempDir()
		o := build.Options{
			Context: tc.context, File: tc.file, Stdin: bytes.NewReader(tc.in), Builder: &build.Builder{Address: builder.Socket},
			Outputs: []build.Output{{Type: "local", Dest: out}}, Now: time.Now,
		}
		if err := build.Run(t.Context(), o); err != nil {
			t.Error(report(err))
			continue
		}
		wantText(t, filepath.Join(out, "f"), tc.want)
	}
}

// TestBuilderErrors has mistakes told with their place, and nothing written.
func TestBuilderErrors(t *testing.T) {
	for _, tc := range []struct{ dockerfile, want string }{
		{"FROM scratch\nCOPPY a /\n", "Dockerfile:2:1: error: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\n 2 | COPPY a /\n   | ^^^^^\n"},
		{"FROM scratch\nCOPY --form=x a /\n", "Dockerfile:2:6: error: "},
		{"FROM busybox\nRUN echo x && exit 3\n", "exit code: 3\n 2 | RUN echo x && exit 3\n"},
		{"FROM scratch\nCOPY none /\n", "\"/none\": not found\n 2 | COPY none /\n"},
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "context", "Dockerfile"), []byte(tc.dockerfile))
		o := build.Options{
			Context: filepath.Join(dir, "context"), Builder: &build.Builder{Address: builder.Socket}, Now: time.Now,
			Outputs: []build.Output{{Type: "local", Dest: filepath.Join(dir, "out")}, {Type: "oci", Dest: filepath.Join(dir, "out.tar")}},
		}
		if got := report(build.Run(t.Context(), o)); !strings.Contains(got, tc.want) {
			t.Errorf("%q: told\n%swant\n%s", tc.dockerfile, got, tc.want)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("%q: left %v, %v", tc.dockerfile, list, err)
		}
	}
}

// TestBuilderInterrupted ends a build whose step would take a minute.
func TestBuilderInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	o := build.Options{
		Context: "-", Stdin: strings.NewReader("FROM busybox\nRUN echo started && sleep 60 && : " + t.Name()), Builder: &build.Builder{Address: builder.Socket},
		Outputs: []build.Output{{Type: "oci", Dest: filepath.Join(dir, "out.tar")}}, Now: time.Now,
		Status: func(s *client.SolveStatus) {
			for _, l := range s.Logs {
				if strings.Contains(string(l.Data), "started") {
					cancel()
				}
			}
		},
	}
	start := time.Now()
	if err := build.Run(ctx, o); !errors.Is(err, context.Canceled) || time.Since(start) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// forward listens on a port and connects each client to the builder's socket.
func forward(t *testing.T, config *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	address := l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go connect(conn)
		}
	}()
	return address
}

func connect(conn net.Conn) {
	defer conn.Close()
	daemon, err := net.Dial("unix", strings.TrimPrefix(builder.Socket, "unix://"))
	if err != nil {
		return
	}
	defer daemon.Close()
	go func() { _, _ = io.Copy(daemon, conn) }()
	_, _ = io.Copy(conn, daemon)
}

// standIn puts a docker on PATH whose container is the builder.
func standIn(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n[ \"$*\" = 'exec -i rig buildctl dial-stdio' ] || { echo \"no container: $*\" >&2; exit 1; }\nexec %s --addr %s dial-stdio\n", builder.Buildctl, builder.Socket)
	writeFile(t, filepath.Join(dir, "docker"), []byte(script))
	if err := os.Chmod(filepath.Join(dir, "docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// certificateFiles are what --tlscacert and so on name.
type certificateFiles struct {
	authority, cert, key string
	pair                 tls.Certificate
}

// newCertificate makes a certificate, of an authority of its own or of the one
// that is given.
func newCertificate(t *testing.T, authority *x509.Certificate, signer *certificateFiles) (*x509.Certificate, *certificateFiles) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"builder.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: authority == nil,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signing := template, any(key)
	if authority != nil {
		parent, signing = authority, signer.pair.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signing)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := &certificateFiles{
		authority: filepath.Join(dir, "ca.pem"), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
		pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}
	if signer != nil {
		files.authority = signer.authority
	} else {
		writeFile(t, files.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	writeFile(t, files.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, files.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, files
}

// serverTLS wants a certificate of clients.
func serverTLS(t *testing.T, authority *x509.Certificate, own *certificateFiles) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return &tls.Config{
		Certificates: []tls.Certificate{own.pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13,
	}
}
