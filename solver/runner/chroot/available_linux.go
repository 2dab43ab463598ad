package chroot

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/moby/sys/userns"
)

// needed returns the capabilities without which no image can be unpacked and no process can
// change its root and user and lose privileges. Containers of Docker, containerd and podman have them by default.
func needed() []capability.Cap {
	return []capability.Cap{
		capability.CAP_CHOWN, capability.CAP_DAC_OVERRIDE, capability.CAP_FOWNER, capability.CAP_FSETID, capability.CAP_KILL,
		capability.CAP_MKNOD, capability.CAP_SETGID, capability.CAP_SETPCAP, capability.CAP_SETUID, capability.CAP_SYS_CHROOT,
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
	return explainMissing(os.Geteuid(), userns.RunningInUserNS(), missing)
}

// explainMissing returns the error for a process of the user uid that lacks the given
// capabilities. The error lists, for each system that runs containers, the settings that
// provide them. In a user namespace, no setting suffices, because no process can
// create devices there. If nothing is missing, explainMissing returns nil.
func explainMissing(uid int, inUserNamespace bool, missing []string) error {
	switch {
	case inUserNamespace:
		return errors.New("the chroot runner cannot create /dev/null in a user namespace")
	case uid != 0:
		return fmt.Errorf("the chroot runner needs root, and this process has the user ID %d (Docker: docker run --user 0; Kubernetes: securityContext: {runAsUser: 0}; GitLab: image: {name: IMAGE, docker: {user: \"0\"}})", uid)
	case len(missing) > 0:
		var flags, names, quoted []string
		for _, c := range missing {
			name := strings.TrimPrefix(c, "CAP_") // Kubernetes accepts no prefix
			flags, names, quoted = append(flags, "--cap-add "+name), append(names, name), append(quoted, fmt.Sprintf("%q", name))
		}
		return fmt.Errorf("the chroot runner needs capabilities that this container lacks: %s (Docker: docker run %s; Kubernetes: securityContext: {capabilities: {add: [%s]}}; GitLab: cap_add = [%s] in [runners.docker])",
			strings.Join(missing, ", "), strings.Join(flags, " "), strings.Join(names, ", "), strings.Join(quoted, ", "))
	}
	return nil
}
