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
)

// config is the configuration that the builder sends to the init process.
type config struct {
	Args, Env []string
	Dir       string // without links and ".."
	DirName   string // as specified for the process
	ids
	Join     bool // join an existing container
	Terminal bool
	Hostname string
	Insecure bool
	Filtered bool   // the process's control group filters devices
	Filter   []byte // seccomp filter; nil if the process is insecure
	Loopback bool   // the process has its own network
	ReadOnly bool   // the root is read-only
	Limits   []limit
	OCI      *runtimeConfig `json:"-"` // nil unless an OCI runtime runs the process
	Root     string         // mount point of the root
	Private  string         // directory that only the init process sees
	Mounts   []mount        // the root first

	root    *os.File // O_PATH descriptor of the root
	names   int      // number of names used in the private directory
	nothing string   // an empty file that masks others; "" until it is created
}

// send writes the configuration for [config.receive]. The runtime's configuration is a
// separate JSON value, because package json would otherwise inspect all of its types
// whenever a config is read.
func (c *config) send(w io.Writer) error {
	e := json.NewEncoder(w)
	return errors.Join(e.Encode(c), e.Encode(c.OCI))
}

// receive reads a configuration from [config.send].
func (c *config) receive(r io.Reader) error {
	d := json.NewDecoder(r)
	return cmp.Or(d.Decode(c), d.Decode(&c.OCI))
}

type limit struct {
	Name       string
	Soft, Hard int64
}

// mount is a mount for the init process: an overlay, a bind mount, a secret or a tmpfs.
type mount struct {
	Target   string
	ReadOnly bool
	File     bool // the target is a file
	Data     bool // written by the builder: not a program or device

	Lower               []string // overlay: the topmost layer first
	Upper, Work, Merged string
	Source              string // path in the mounted directory

	Bind string // file or directory to bind

	Secret *secret // secret whose content is mounted

	Tmpfs bool
	Size  int64
}

// network writes /etc/hosts and /etc/resolv.conf of the container.
func (c *container) network() error {
	hosts := "127.0.0.1\tlocalhost " + c.conf.Hostname + "\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for _, h := range c.box.Hosts {
		hosts += h.IP + "\t" + h.Name + "\n"
	}
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
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

// stubs determines the paths in the root that are created only as mount points, and that
// are no part of the result. It also resolves links in the targets of mounts.
//
// Upstream: /proc, /dev and /sys are part of the result, unless something is mounted below
// them.
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
		if (at == "proc" || strings.HasPrefix(at, "proc/")) && !slices.Contains(replaceable(), m.Target) {
			return fmt.Errorf("mount %s: %w", m.Target, errInProc)
		}
		c.addStubs(at)
	}
	return nil
}

func (c *container) addStubs(name string) {
	for ; name != "" && name != "."; name = path.Dir(name) {
		if c.root.Get(name) == nil {
			c.stub[strings.TrimPrefix(name, "/")] = true
		}
		if c.box.KeepMountParents {
			return
		}
	}
}
