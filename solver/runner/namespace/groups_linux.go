package namespace

import (
	"errors"
	"os"
	"path/filepath"

	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
)

// Limit places the control groups of all steps below the group parent, unless it is "".
// It returns an error if the limits or the parent are not supported. The error begins
// with the name of the docker build flag. Limit must be called before the first step.
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

// placeGroups determines the location of the control groups of steps.
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

// makeGroup creates the control groups of the container, or determines the ones that an
// OCI runtime creates.
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
	c.groups, err = c.r.groups.Step(step, &c.box.Resources)
	return err
}
