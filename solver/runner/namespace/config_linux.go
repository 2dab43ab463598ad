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

// config is what the init process is told.
type config struct {
	Args, Env []string
	Dir       string // without links and ".."
	DirName   string // as the process has it
	ids
	Join     bool // the container is there
	Terminal bool
	Hostname string
	Insecure bool
	Filtered bool   // the control group of the process filters devices
	Filter   []byte // of system calls; nil if the process is insecure
	Loopback bool   // the network is one of its own
	ReadOnly bool   // the root
	Limits   []limit
	OCI      *runtimeConfig `json:"-"` // nil if this program runs the process itself
	Root     string         // where the root is mounted
	Private  string         // a directory for what only the init process sees
	Mounts   []mount        // the root first

	root    *os.File // only names the root
	names   int      // in the private directory
	nothing string   // an empty file to hide others with; "" if it is not made yet
}

// send writes what [config.receive] reads. The description for a runtime is a value of its
// own: package json would look at all of its types whenever it reads a config.
func (c *config) send(w io.Writer) error {
	e := json.NewEncoder(w)
	return errors.Join(e.Encode(c), e.Encode(c.OCI))
}

// receive reads what [config.send] wrote.
func (c *config) receive(r io.Reader) error {
	d := json.NewDecoder(r)
	return cmp.Or(d.Decode(c), d.Decode(&c.OCI))
}

type limit struct {
	Name       string
	Soft, Hard int64
}

// mount is a mount of the init process: an overlay, a bind mount, a secret or a tmpfs.
type mount struct {
	Target   string
	ReadOnly bool
	File     bool // the target is a file
	Data     bool // the file is written by the builder: it is no program and no device

	Lower               []string // overlay: topmost first
	Upper, Work, Merged string
	Source              string // path in it

	Bind string // what is shown

	Secret *secret // its content is shown

	Tmpfs bool
	Size  int64
}

// network gives the process names of hosts, and how to find others.
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

// stubs finds out which paths of the root are made only to mount something
// there, and where links of the root lead the mounts.
//
// Upstream: /proc, /dev and /sys stay, unless something is mounted below them.
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
