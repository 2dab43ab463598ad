//go:build integration

package containers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// withTun is a shell script that runs a program as an ordinary user, for whom /dev/net/tun exists, as on
// most machines.
const withTun = `mount -t tmpfs tmpfs /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`

// TestConnector checks that a step of an ordinary user can use port 80 and name servers if slirp4netns is
// installed, and that the error names it otherwise. The package is unpacked but not installed, so that
// other tests run as before.
func TestConnector(t *testing.T) {
	dir := t.TempDir()
	root, home, unpacked := filepath.Join(dir, "root"), filepath.Join(dir, "home"), filepath.Join(dir, "packages")
	err := errors.Join(writeRoot(root), os.Mkdir(home, 0o755), os.Chown(home, ordinaryID, ordinaryID), os.Mkdir(unpacked, 0o755), os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755))
	if err != nil {
		t.Fatal(err)
	}
	const unpack = `apt-get update -qq; apt-get download -qq slirp4netns libslirp0 && for f in *.deb; do dpkg -x $f . || exit; done`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", unpack)
	cmd.Dir = unpacked
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	libraries, err := filepath.Glob(filepath.Join(unpacked, "usr", "lib", "*"))
	if err != nil || len(libraries) == 0 {
		t.Fatalf("the packages have no libraries: %v", err)
	}
	context := filepath.Join(dir, "context")
	const dockerfile = "FROM base\nRUN cat /etc/resolv.conf; echo hello | nc -l -p 80 & " +
		"until nc 127.0.0.1 80 < /dev/null | grep hello; do kill -0 $! || exit 1; done\n"
	if err := errors.Join(os.Mkdir(context, 0o755), os.WriteFile(filepath.Join(context, "Dockerfile"), []byte(dockerfile), 0o644)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(unpacked, "usr", "bin") + ":" + os.Getenv("PATH"): "nameserver 10.0.2.3\n",
		os.Getenv("PATH"): "install slirp4netns, which needs /dev/net/tun",
	} {
		cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "sh", "-c", withTun, "sh",
			filepath.Join(root, "bin", "slipway"), "build", "--no-cache", "--progress", "plain", "--runner", "namespace", "--state", filepath.Join(home, "state"),
			"--build-context", "base="+filepath.Join(root, "base"), context)
		cmd.Env = []string{"PATH=" + path, "LD_LIBRARY_PATH=" + libraries[0], "HOME=" + home}
		out, err := cmd.CombinedOutput()
		if connected := strings.HasPrefix(path, unpacked); (err == nil) != connected || !strings.Contains(string(out), want) {
			t.Errorf("with slirp4netns: %t: error %v, want %q in the output:\n%s", connected, err, want, out)
		}
	}
}
