package namespace

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
	"slipway/solver/runner/launch"
)

// config is the configuration that the builder sends to the init process of a
// container.
type config struct {
	Args, Env []string
	Dir       string // working directory, without links and ".."
	DirName   string // working directory as specified by the process
	launch.IDs
	Join     bool // join the namespaces of a container
	Terminal bool
	Hostname string
	Insecure bool
	Filtered bool   // the process's control group filters devices
	Filter   []byte // seccomp filter; nil if the process is insecure
	Loopback bool   // the process has its own network namespace, in which it activates the loopback device
	ReadOnly bool   // the root is read-only
	Limits   []limit
	OCI      *runtimeConfig `json:"-"` // nil unless an OCI runtime runs the process
	Root     string         // mount point of the root
	Private  string         // mount point of the private directory, see makePrivate
	Mounts   []mount        // mounts of the container; the first one is the root
	Devices  []runner.Device
	Views    []cgroup.View // control groups that an insecure process sees in /sys/fs/cgroup

	root      *os.File // O_PATH descriptor of the root
	names     int      // number of files in the private directory, see privateName
	emptyFile string   // an empty file to mount over others; "" until it is created
}

// send writes the configuration for [config.receive]. The configuration of the OCI runtime
// is a separate JSON value. If both were one value, package json would inspect the many
// types of that configuration in every init process.
func (c *config) send(w io.Writer) error {
	e := json.NewEncoder(w)
	return errors.Join(e.Encode(c), e.Encode(c.OCI))
}

// receive reads a configuration that [config.send] has written.
func (c *config) receive(r io.Reader) error {
	d := json.NewDecoder(r)
	return cmp.Or(d.Decode(c), d.Decode(&c.OCI))
}

// limit is a resource limit of a process, see [runner.Ulimit].
type limit struct {
	Name       string
	Soft, Hard int64
}

// mount is a mount that the init process creates: an overlay, a bind mount, a secret or
// a tmpfs.
type mount struct {
	Target   string
	ReadOnly bool
	File     bool // the target is a file, not a directory
	Data     bool // a file that the builder wrote: neither a program nor a device

	Lower               []string // lower directories of an overlay, the topmost first
	Upper, Work, Merged string
	Source              string // mounted path in Merged or Bind; "" is the whole directory

	Bind string // source of a bind mount: a file or directory of the host

	Secret *secret // content of a file in memory

	Tmpfs bool
	Size  int64 // size of a tmpfs in bytes; 0 is no limit
}

// network writes the files /etc/hosts and /etc/resolv.conf of the container, and adds bind
// mounts for them to its configuration. The container uses the name servers of the host.
func (c *container) network() error {
	hosts := "127.0.0.1\tlocalhost " + c.conf.Hostname + "\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for _, h := range c.box.Hosts {
		hosts += h.IP + "\t" + h.Name + "\n"
	}
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if c.link != "" {
		resolv = resolvConf(resolv)
	}
	for name, data := range map[string][]byte{"hosts": []byte(hosts), "resolv.conf": resolv} {
		file := filepath.Join(c.work, name)
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"hosts", "resolv.conf"} {
		c.conf.Mounts = append(c.conf.Mounts, mount{Target: "/etc/" + name, Bind: filepath.Join(c.work, name), File: true, ReadOnly: true, Data: true})
	}
	return nil
}

// stubs records in c.stub which mount points and device files, and which of their parents, do not exist
// in the root. These paths are created for the mounts only, so they are not part of the
// result. stubs also resolves links in the targets of mounts.
//
// Upstream: /proc, /dev and /sys are part of the result, unless something is mounted
// below them.
func (c *container) stubs() error {
	for i := range c.conf.Mounts {
		m := &c.conf.Mounts[i]
		if m.Target == "/" {
			continue
		}
		at, err := c.root.Resolve(m.Target, true)
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
		m.Target = "/" + at
		if (at == "proc" || strings.HasPrefix(at, "proc/")) && !slices.Contains(replaceableFiles(), m.Target) {
			return fmt.Errorf("mount %s: %w", m.Target, errInProc)
		}
		if err := c.addStubs(at); err != nil {
			return err
		}
	}
	for i := range c.conf.Devices {
		at, err := c.root.Resolve(c.conf.Devices[i].Path, true)
		if err != nil {
			return fmt.Errorf("device %s: %w", c.conf.Devices[i].Path, err)
		}
		if strings.HasPrefix(at, "dev/") {
			continue // a tmpfs
		}
		if err := c.addStubs(at); err != nil {
			return err
		}
	}
	return nil
}

// addStubs records a mount point in c.stub if the root does not contain it, because such a
// mount point is created only for the mount. The parameter name is the path of the mount
// point. Unless [runner.Sandbox.KeepMountParents] is set, addStubs also records the
// missing parents of the mount point.
func (c *container) addStubs(name string) error {
	for ; name != "" && name != "."; name = path.Dir(name) {
		n, err := c.root.Get(name)
		if err != nil {
			return err
		}
		if n == nil {
			c.stub[strings.TrimPrefix(name, "/")] = true
		}
		if c.box.KeepMountParents {
			break
		}
	}
	return nil
}
