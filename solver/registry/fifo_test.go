//go:build unix

package registry

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFIFOs checks that reading a configuration, certificate or credential file fails and
// does not block if the file is a FIFO.
func TestFIFOs(t *testing.T) {
	const want = "is not a regular file"
	dir := t.TempDir()
	fifo := func(name string) {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), syscall.Mkfifo(name, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"hosts.toml", "ca.crt", "client.cert", "client.key"} {
		host := name + ".example"
		fifo(host + "/" + name)
		_, err := New(Options{Dirs: []string{dir}}).Repository(t.Context(), host+"/x:1", false)
		if err == nil || !strings.Contains(err.Error(), name+": "+want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for setting, name := range map[string]string{
		"ca = 'FIFO'": "ca", "ca = ['DIR/good', 'FIFO']": "cas",
		"[host.'https://mirror.example']\nclient = [['DIR/good', 'FIFO']]": "key", "[host.'https://other.example']\nclient = 'FIFO'": "pair",
	} {
		host := name + ".toml.example"
		fifo(host + "/files/" + name)
		text := strings.NewReplacer("FIFO", "files/"+name, "DIR", dir).Replace(setting)
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "good"), nil, 0o600), os.WriteFile(filepath.Join(dir, host, "hosts.toml"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err := New(Options{Dirs: []string{dir}}).Repository(t.Context(), host+"/x:1", false)
		if err == nil || !strings.Contains(err.Error(), host+"/hosts.toml: open "+filepath.Join(dir, host, "files", name)+": "+want) {
			t.Errorf("%s: error %v", setting, err)
		}
	}
	setConfig(t, filepath.Join(dir, "docker"))
	t.Setenv("XDG_RUNTIME_DIR", dir)
	fifo("containers/auth.json")
	if _, err := UserCredentials()("a.example"); err == nil || !strings.Contains(err.Error(), "auth.json: "+want) {
		t.Errorf("credentials of Podman: error %v", err)
	}
	fifo("docker/config.json")
	if _, err := UserCredentials()("a.example"); err == nil || !strings.Contains(err.Error(), "config.json: "+want) {
		t.Errorf("credentials of Docker: error %v", err)
	}
	if err := Save("a.example", Login{User: "me"}); err == nil || !strings.Contains(err.Error(), "config.json: "+want) {
		t.Errorf("login: error %v", err)
	}
}
