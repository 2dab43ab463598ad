package namespace

import (
	"errors"
	"os"
	"path/filepath"

	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
)

// Limit configures the control groups of all steps. It sets their parent group. If parent is
// "", the runner chooses the parent group. Call Limit before the first step.
//
// If steps cannot use this parent group or the given resource limits, Limit returns an error
// that starts with the name of the docker build flag. It does not apply the resource limits,
// which are set for each step, see [runner.Sandbox].
func (r *Runner) Limit(parent string, limits *runner.Resources) error {
	if r.runtime != "" && r.userNamespace {
		return cgroup.Unavailable(limits, errRuntimeLimits)
	}
	if err := r.placeGroups(parent); err != nil {
		return err
	}
	return r.groups.Check(limits)
}

// errRuntimeLimits is the error for resource limits in a build with a rootless OCI runtime,
// which creates no control groups.
var errRuntimeLimits = errors.New("a rootless OCI runtime does not create control groups (use --runner namespace, or run slipway as root)")

// placeGroups determines the directories in which the control groups of steps are created. It
// also removes the groups of killed builders from these directories.
func (r *Runner) placeGroups(parent string) error {
	var err error
	r.groups, err = cgroup.New(&cgroup.Options{State: r.dir, PID: os.Getpid(), Parent: parent, Top: r.runtime != ""})
	if err != nil {
		return err
	}
	r.guard.groups = r.groups.Dirs()
	_ = r.groups.RemoveStale() // leftover groups are harmless
	return nil
}

// makeGroup creates the control groups of the container. If an OCI runtime will create them,
// makeGroup only determines their paths.
func (c *container) makeGroup() error {
	step := filepath.Base(c.work)
	switch {
	case c.r.runtime != "" && c.r.userNamespace:
		if c.groups = new(cgroup.Group); c.box.Resources != (runner.Resources{}) {
			return cgroup.Unavailable(&c.box.Resources, errRuntimeLimits)
		}
		return nil
	case c.r.runtime != "":
		c.groups, c.filtered = c.r.groups.Container(step), true
		return nil
	}
	// A process that cannot create devices needs no filter.
	c.filtered = !c.r.noDevices && c.r.groups.Filter() == nil
	var err error
	if c.groups, err = c.r.groups.Step(step, &c.box.Resources, c.box.Devices); err != nil {
		return err
	}
	if c.box.Measure == nil {
		return nil
	}
	if dir := c.r.groups.Measure(c.groups, step); dir != "" {
		c.stop = append(c.stop, c.box.Measure(dir))
	}
	return nil
}

// showGroups lets the first process of a container see its control groups, if it is insecure. An OCI
// runtime does this itself.
func (x *process) showGroups() {
	if !x.conf.Insecure || x.conf.Join || x.conf.OCI != nil {
		return
	}
	x.c.r.groups.Complete(x.c.groups, filepath.Base(x.c.work))
	x.conf.Views = x.c.groups.Views()
}
