package builder

import (
	"context"
	"fmt"

	"slipway/solver/runner"
	"slipway/solver/runner/namespace"
	"slipway/solver/tree"
)

// withoutNamespaces chooses the runner on a machine that, for the given reason, allows no
// namespaces. In a container, processes can run without isolation, because the container
// isolates them. On any other machine, the user must request that, so no process can run.
// If no process can run, builds without a RUN step, or whose RUN steps are cached, still work.
func (c *autoRunner) withoutNamespaces(reason error) (runner.Opener, error) {
	if limit := c.o.limitGiven(); limit != "" && !c.o.acceptsNoLimits() {
		return nil, fmt.Errorf("--%s: RUN steps have control groups only in namespaces: %w (leave the limit out, or accept it with --unisolated limits)", limit, reason)
	}
	if !c.inContainer() {
		return noRunner{fmt.Errorf("RUN steps cannot run on this machine: %w (%s)", reason, outsideContainer(c.os))}, nil
	}
	run, err := c.openChroot()
	if err != nil {
		return noRunner{fmt.Errorf("RUN steps cannot run in this container: %w; %w (to allow namespaces: %s)", reason, err, allowNamespaces)}, nil
	}
	c.o.warn("RUN steps run in a changed root directory, isolated by nothing but this container, as they cannot run in namespaces: %v (to allow namespaces: %s)", reason, allowNamespaces)
	return run, nil
}

// outsideContainer lists what a user can do on a machine, which is no container, without
// namespaces. The parameter os is the machine's operating system, as in [runtime.GOOS].
func outsideContainer(os string) string {
	if os != "linux" {
		return "use --builder ADDRESS, or --runner portable, which interprets simple scripts"
	}
	return "allow user namespaces, use --builder ADDRESS or --runner portable, which interprets simple scripts, or, if this is a container for one build, --runner chroot"
}

// allowNamespaces is a text that lists the settings of containers with which steps can run in
// namespaces: a profile that permits the system calls, and a /proc without hidden files, because
// the kernel mounts no other /proc in a user namespace.
const allowNamespaces = "Docker: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined; " +
	"Kubernetes: hostUsers: false and securityContext: {seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}, procMount: Unmasked}; " +
	`GitLab: security_opt = ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"] in [runners.docker]`

// noRunner is the runner for a machine on which no process can run. Every process fails with
// the error.
type noRunner struct{ err error }

var (
	_ runner.Opener = noRunner{}
	_ runner.Keyed  = noRunner{}
)

// CacheKey implements [runner.Keyed]. It returns the key of processes in namespaces, so that
// their results can be used here.
func (noRunner) CacheKey(context.Context) (string, error) { return namespace.CacheKey(), nil }

// Run implements [runner.Runner].
func (n noRunner) Run(context.Context, *runner.Process) ([]*tree.Node, error) { return nil, n.err }

// Open implements [runner.Opener].
func (n noRunner) Open(context.Context, *runner.Sandbox) (runner.Container, error) {
	return nil, n.err
}
