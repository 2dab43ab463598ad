//go:build integration

package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"slipway/integration/rig"
)

// image is the name of the container image with the job.
const image = "slipway-job"

// container is a kind of container in which the job runs. It is one row of the table.
type container struct {
	name string
	dir  string // directory of the job's files in the container
	cmd  func(ctx context.Context, job ...string) *exec.Cmd
}

// unconfined returns the options with which a container may create namespaces.
func unconfined() []string {
	return []string{"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"}
}

// host contains the engines.
type host struct {
	t      *testing.T
	dir    string // temporary directory
	root   string // root file system of the containers
	subIDs string // file with subordinate IDs of the ordinary user
	engine *rig.Engine
}

// newHost starts Docker Engine and imports the image into each engine.
func newHost(t *testing.T) *host {
	t.Helper()
	if err := rig.EnsurePackages(t.Context(), os.Stderr, "docker.io", "podman", "uidmap", "crun"); err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, dir: t.TempDir()}
	h.root, h.subIDs = filepath.Join(h.dir, "root"), filepath.Join(h.dir, "subids")
	err := errors.Join(writeRoot(h.root), os.WriteFile(h.subIDs, []byte("nobody:100000:65536\n"), 0o644), os.Chmod(filepath.Dir(h.dir), 0o755), os.Chmod(h.dir, 0o755))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"home", "rootless"} {
		at := filepath.Join(h.dir, name)
		if err := errors.Join(os.Mkdir(at, 0o700), os.Chown(at, ordinaryID, ordinaryID)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := rig.StartEmpty(rig.Options{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if h.engine, err = r.StartEngine(t.Context()); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(h.dir, "root.tar")
	h.must(exec.CommandContext(t.Context(), "tar", "-C", h.root, "-cf", archive, "."))
	h.must(h.engine.Docker(t.Context(), h.dir, "import", archive, image))
	h.must(h.podman(t.Context(), "import", archive, image))
	h.must(h.rootlessPodman(t.Context(), "import", archive, image))
	return h
}

// must runs a command, and ends the test if it fails.
func (h *host) must(cmd *exec.Cmd) {
	h.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}

// containers returns the rows of the table.
func (h *host) containers() []container {
	docker := func(name, dir string, flags ...string) container {
		return container{"`" + strings.TrimSpace("docker run "+name) + "`", dir, func(ctx context.Context, job ...string) *exec.Cmd {
			args := append([]string{"run", "--rm", "--network", "host"}, flags...)
			return h.engine.Docker(ctx, h.dir, append(append(args, image), job...)...)
		}}
	}
	podman := func(name string, run func(context.Context, ...string) *exec.Cmd, flags ...string) container {
		return container{name, "/tmp", func(ctx context.Context, job ...string) *exec.Cmd {
			args := append([]string{"run", "--rm", "--network", "host"}, flags...)
			return run(ctx, append(append(args, image), job...)...)
		}}
	}
	pod := func(name string, user uint32) container {
		return container{name, "/tmp", func(ctx context.Context, job ...string) *exec.Cmd { return h.pod(ctx, user, job) }}
	}
	return []container{
		docker("", "/tmp"),
		docker("--user 1000", "/tmp", "--user", "1000"),
		docker("--cap-drop ALL", "/tmp", "--cap-drop", "ALL"),
		docker("--security-opt no-new-privileges", "/tmp", "--security-opt", "no-new-privileges"),
		docker("--read-only -v state:/state", "/state", "--read-only", "-v", "/state"),
		docker("UNCONFINED", "/tmp", unconfined()...),
		docker("UNCONFINED -v state:/state", "/state", append(unconfined(), "-v", "/state")...),
		docker("UNCONFINED --user 1000", "/tmp", append(unconfined(), "--user", "1000")...),
		docker("UNCONFINED -v scratch:/scratch -e TMPDIR=/scratch", "/tmp", append(unconfined(), "-v", "/scratch", "-e", "TMPDIR=/scratch")...),
		docker("--cap-add SYS_ADMIN", "/tmp", "--cap-add", "SYS_ADMIN"),
		docker("--cap-add SYS_ADMIN -v state:/state", "/state", "--cap-add", "SYS_ADMIN", "-v", "/state"),
		podman("`podman run` as root", h.podman),
		podman("`podman run --cap-add MKNOD` as root", h.podman, "--cap-add", "MKNOD"),
		podman("`podman run`, rootless", h.rootlessPodman, "--cgroups", "disabled"),
		podman("`podman run --privileged`, rootless", h.rootlessPodman, "--cgroups", "disabled", "--privileged"),
		pod("pod of Kubernetes", 0),
		pod("pod of Kubernetes, `runAsUser: 1000`", 1000),
	}
}

// podman returns a command of podman as root.
func (h *host) podman(ctx context.Context, args ...string) *exec.Cmd {
	all := []string{"podman", "--root", filepath.Join(h.dir, "podman"), "--runroot", filepath.Join(h.dir, "podman-run"), "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"}
	return exec.CommandContext(ctx, "unshare", append(append(apart(), all...), args...)...)
}

// apart returns options of unshare with which no process and no mount outlives the command. Podman
// leaves a process in the background, which has the standard output open.
func apart() []string { return []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc"} }

// ordinaryID is the ID of an ordinary user.
const ordinaryID = 65534

// asOrdinary is a shell script that runs a program as an ordinary user, whose subordinate IDs are in
// the file $0. It hides version 2 of control groups if the machine has both versions, because crun
// refuses such machines.
const asOrdinary = `if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified || exit; fi
mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`

// rootlessPodman returns a command of podman as an ordinary user.
func (h *host) rootlessPodman(ctx context.Context, args ...string) *exec.Cmd {
	podman := []string{"podman", "--root", filepath.Join(h.dir, "rootless", "storage"), "--runroot", filepath.Join(h.dir, "rootless", "run"), "--runtime", "crun", "--cgroup-manager", "cgroupfs", "--events-backend", "none"}
	all := append(append(apart(), "sh", "-c", asOrdinary, h.subIDs), append(podman, args...)...)
	cmd := exec.CommandContext(ctx, "unshare", all...)
	cmd.Dir = h.dir
	home := filepath.Join(h.dir, "home")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + home, "TMPDIR=" + home}
	return cmd
}

// pod returns a command that runs the job as in a pod of Kubernetes: runc with containerd's default
// capabilities, without a filter of system calls, and with an overlay as the root.
func (h *host) pod(ctx context.Context, user uint32, job []string) *exec.Cmd {
	bundle, err := os.MkdirTemp(h.dir, "pod-")
	for _, name := range []string{"rootfs", "upper", "work"} {
		err = errors.Join(err, os.Mkdir(filepath.Join(bundle, name), 0o755))
	}
	out, specErr := exec.CommandContext(ctx, "runc", "spec", "--bundle", bundle).CombinedOutput()
	if err = errors.Join(err, specErr); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(bundle, "config.json")
	data, err := os.ReadFile(file)
	var spec specs.Spec
	if err = errors.Join(err, json.Unmarshal(data, &spec)); err != nil {
		h.t.Fatal(err)
	}
	caps := strings.Fields("CAP_CHOWN CAP_DAC_OVERRIDE CAP_FSETID CAP_FOWNER CAP_MKNOD CAP_NET_RAW CAP_SETGID CAP_SETUID CAP_SETFCAP CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_KILL CAP_AUDIT_WRITE")
	p := spec.Process
	p.Terminal, p.NoNewPrivileges, p.Args, p.User = false, false, job, specs.User{UID: user, GID: user}
	p.Env = append(p.Env, "KUBERNETES_SERVICE_HOST=10.0.0.1")
	p.Capabilities = &specs.LinuxCapabilities{Bounding: caps}
	if user == 0 {
		p.Capabilities.Effective, p.Capabilities.Permitted = caps, caps
	}
	spec.Root.Readonly, spec.Linux.Seccomp = false, nil
	if data, err = json.Marshal(&spec); err == nil {
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	const run = `mount -t overlay overlay -o lowerdir="$1",upperdir=upper,workdir=work rootfs && exec runc --root state run "$2"`
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", run, "sh", h.root, fmt.Sprintf("slipway-%d-%s", os.Getpid(), filepath.Base(bundle)))
	cmd.Dir = bundle
	return cmd
}
