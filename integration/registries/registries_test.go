//go:build integration

package registries

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"golang.org/x/crypto/bcrypt"

	"slipway/builder"
	"slipway/integration/toolbox"
	"slipway/internal/testcontext"
)

const user, password = "alice", "secret"

// certificate writes a self-signed certificate for servers on this machine, and its key.
// Clients can use the same certificate as authority.
func certificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func write(t *testing.T, name, data string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(data), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// startRegistry runs distribution until the test ends and returns its host:port. The parameter
// settings is YAML text that is added to the configuration of distribution.
func startRegistry(t *testing.T, dir, settings string) string {
	t.Helper()
	program, err := toolbox.Path(t.Context(), t.Output(), "registry")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.yml")
	write(t, file, fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\n%s", filepath.Join(dir, "data"), strings.ReplaceAll(settings, "ADDR", addr)))
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, "serve", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return addr
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// setHome creates an empty directory and points the user's registry configuration and
// credentials at it (XDG_CONFIG_HOME and others). It returns the directory.
func setHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("DOCKER_AUTH_CONFIG", "")
	before := config.Dir()
	t.Cleanup(func() { config.SetDir(before) })
	config.SetDir(filepath.Join(dir, "docker"))
	return dir
}

// run builds a Dockerfile with an empty state. The callback change modifies the options of the
// build.
func run(t *testing.T, dockerfile string, change func(*builder.Options)) error {
	t.Helper()
	o := builder.Options{Context: testcontext.New(t, dockerfile), State: t.TempDir(), Runner: "portable", Now: time.Now}
	change(&o)
	return builder.Run(t.Context(), o)
}

func push(name, attrs string) func(*builder.Options) {
	return func(o *builder.Options) {
		out, err := builder.ParseOutput("type=registry,name=" + name + attrs)
		if err != nil {
			panic(err)
		}
		o.Outputs = []builder.Output{out}
	}
}

func cache(ref string) []client.CacheOptionsEntry {
	return []client.CacheOptionsEntry{{Type: "registry", Attrs: map[string]string{"ref": ref}}}
}

// pull sets an output in o that contains the files of the base image, so that the build must
// pull the image's layers.
func pull(o *builder.Options) {
	o.Outputs = []builder.Output{{Type: "tar", Dest: filepath.Join(o.State, "out.tar")}}
}

// TestPrivate checks that images and caches work with a registry that has passwords and a
// private certificate authority. If the certificate is not trusted, or if the user is not
// logged in, the error must state how to fix this.
func TestPrivate(t *testing.T) {
	configs, dir := setHome(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "htpasswd"), user+":"+string(hash)+"\n")
	addr := startRegistry(t, dir, fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}\nhttp: {addr: ADDR, secret: x, tls: {certificate: %s, key: %s}}\n", filepath.Join(dir, "htpasswd"), cert, key))
	hosts := filepath.Join(configs, "containerd/certs.d/private.example/hosts.toml")
	fails := func(want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	const made, used = "FROM scratch\nCOPY a /\n", "FROM private.example/x:1\nCOPY a /b\n"
	write(t, hosts, "server = 'https://"+addr+"'\n")
	fails("unknown authority (trust its authority", run(t, made, push("private.example/x:1", "")))
	write(t, hosts, "server = 'https://"+addr+"'\nca = '"+cert+"'\n")
	fails("(log in with: slipway login private.example)", run(t, made, push("private.example/x:1", "")))
	fails("refuses the user name or the password", builder.Login(t.Context(), "private.example", user, "wrong"))
	if err := builder.Login(t.Context(), "private.example", user, password); err != nil {
		t.Fatal(err)
	}
	if err := run(t, made, push("private.example/x:1", "")); err != nil {
		t.Fatal(err)
	}
	if err := run(t, used, func(o *builder.Options) { pull(o); o.CacheTo = cache("private.example/cache:1") }); err != nil {
		t.Error(err)
	}
	var log strings.Builder
	if err := run(t, used, func(o *builder.Options) { pull(o); o.Log = &log; o.CacheFrom = cache("private.example/cache:1") }); err != nil || log.Len() > 0 {
		t.Errorf("%v, log %s", err, log.String())
	}
	if err := builder.Logout("private.example"); err != nil {
		t.Fatal(err)
	}
	fails("(log in with: slipway login private.example)", run(t, used, pull))
}

// TestPlain checks builds with a registry that does not use TLS: as a mirror configured in
// hosts.toml, and as the destination of an image output with registry.insecure=true.
func TestPlain(t *testing.T) {
	configs := setHome(t)
	addr := startRegistry(t, t.TempDir(), "http: {addr: ADDR, secret: x}\n")
	if err := run(t, "FROM scratch\nCOPY a /\n", push(addr+"/library/x:1", ",registry.insecure=true")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(configs, "containerd/certs.d/docker.io/hosts.toml"), "server = 'https://127.0.0.1:1'\n[host.'http://"+addr+"']\ncapabilities = ['pull', 'resolve']\n")
	if err := run(t, "FROM x:1\nCOPY a /b\n", pull); err != nil {
		t.Error(err)
	}
	if err := run(t, "FROM scratch\nCOPY a /\n", push("x:2", "")); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a push to a mirror: error %v", err)
	}
	if err := run(t, "FROM y:1\nCOPY a /b\n", func(o *builder.Options) {
		pull(o)
		o.Mirrors = map[string]string{"docker.io": "http://" + addr}
	}); err == nil || !strings.Contains(err.Error(), "y:1: not found") {
		t.Errorf("error %v", err)
	}
}
