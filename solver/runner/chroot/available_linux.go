package chroot

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/capability"
)

// needed returns the capabilities without which no image can be unpacked and no process can
// change its root and user. Containers of Docker, containerd and podman have them by default.
func needed() []capability.Cap {
	return []capability.Cap{
		capability.CAP_CHOWN, capability.CAP_DAC_OVERRIDE, capability.CAP_FOWNER, capability.CAP_FSETID, capability.CAP_KILL,
		capability.CAP_MKNOD, capability.CAP_SETGID, capability.CAP_SETUID, capability.CAP_SYS_CHROOT,
	}
}

// Available returns nil if this process has the privileges that the runner needs. Otherwise,
// the error says how to configure the container.
func Available() error {
	caps, err := capability.NewPid2(0)
	if err == nil {
		err = caps.Load()
	}
	if err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	var missing []string
	for _, c := range needed() {
		if !caps.Get(capability.EFFECTIVE, c) {
			missing = append(missing, strings.ToUpper(c.String()))
		}
	}
	return explainMissing(os.Geteuid(), missing)
}

// explainMissing returns the error for a process of the user uid that lacks the given
// capabilities. The error lists, for each system that runs containers, the settings that
// provide them. If nothing is missing, explainMissing returns nil.
func explainMissing(uid int, missing []string) error {
	switch {
	case uid != 0:
		return fmt.Errorf("the chroot runner needs root, and this process has the user ID %d (Docker: docker run --user 0; Kubernetes: securityContext: {runAsUser: 0}; GitLab: image: {name: IMAGE, docker: {user: \"0\"}})", uid)
	case len(missing) > 0:
		var flags, gitlab []string
		for _, c := range missing {
			flags = append(flags, "--cap-add "+c)
			gitlab = append(gitlab, fmt.Sprintf("%q", c))
		}
		return fmt.Errorf("the chroot runner needs capabilities that this container lacks: %s (Docker: docker run %s; Kubernetes: securityContext: {capabilities: {add: [%s]}}; GitLab: cap_add = [%s] in [runners.docker])",
			strings.Join(missing, ", "), strings.Join(flags, " "), strings.Join(missing, ", "), strings.Join(gitlab, ", "))
	}
	return nil
}
