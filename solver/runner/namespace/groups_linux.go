package namespace

import (
	"errors"
	"os"
	"path/filepath"

	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
)

// Limit puts the control groups of all steps below the group parent, unless it is "". It
// returns an error if steps cannot have the limits, or groups below parent, which starts
// with the limit by the flag of docker build. It must be called before the first step.
func (r *Runner) Limit(parent string, limits *runner.Resources) error {
	if r.runtime != "" && r.userNamespace {
		return cgroup.Unavailable(limits, errRuntimeLimits)
	}
	if err := r.placeGroups(parent); err != nil {
		return err
	}
	return r.groups.Check(limits)
}

var errRuntimeLimits = errors.New("an OCI runtime makes no control groups unless root runs it (use --runner namespace, or run slipway as root)")

// placeGroups chooses where the control groups of steps will be.
func (r *Runner) placeGroups(parent string) error {
	var err error
	r.groups, err = cgroup.New(&cgroup.Options{State: r.dir, PID: os.Getpid(), Parent: parent, Top: r.runtime != ""})
	if err != nil {
		return err
	}
	r.guard.groups = r.groups.Dirs()
	_ = r.groups.RemoveStale() // what stays does no harm
	return nil
}

// makeGroup makes the control groups of the processes, or describes those that an OCI
// runtime makes.
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
	// Who cannot make devices needs no filter.
	c.filtered = !c.r.noDevices && c.r.groups.Filter() == nil
	var err error
	c.groups, err = c.r.groups.Step(step, &c.box.Resources)
	return err
}
