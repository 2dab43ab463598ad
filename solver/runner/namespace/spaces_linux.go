package namespace

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openSpaces opens the namespaces of the first process in the order in which later
// processes join them, the mount namespace last. The namespaces exist as long as the
// files are open.
func (c *container) openSpaces(pid int) error {
	names := []string{"ipc", "uts", "pid", "mnt"}
	if c.r.runtime != "" {
		names = []string{"pid", "mnt"}
	} else if c.conf.Loopback {
		names = append([]string{"net"}, names...)
	}
	for _, name := range names {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, name))
		if err != nil {
			return err
		}
		c.spaces = append(c.spaces, f)
	}
	return nil
}

// closeSpaces closes the files that openSpaces has opened for the namespaces.
func (c *container) closeSpaces() {
	for _, f := range c.spaces {
		f.Close()
	}
	c.spaces = nil
}

// joinSpaces moves this thread to the given namespaces. Processes that the thread
// starts later are in these namespaces, too.
func joinSpaces(spaces []*os.File) error {
	for _, f := range spaces {
		if err := unix.Setns(int(f.Fd()), 0); err != nil {
			return err
		}
	}
	return nil
}
