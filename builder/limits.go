package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"slipway/solver/runner"
	"slipway/solver/runner/cgroup"
	"slipway/solver/runner/chroot"
	"slipway/solver/runner/namespace"
)

// limitFlag describes a resource limit for steps: the name of its frontend option, the
// name of its docker build flag, and a function that sets it in the limits for a runner.
type limitFlag struct {
	option, flag string
	set          func(r *runner.Resources, value string) error
}

func limitFlags() []limitFlag {
	signed := func(to func(*runner.Resources) *int64) func(*runner.Resources, string) error {
		return func(r *runner.Resources, value string) (err error) {
			*to(r), err = strconv.ParseInt(value, 10, 64)
			return err
		}
	}
	unsigned := func(to func(*runner.Resources) *uint64) func(*runner.Resources, string) error {
		return func(r *runner.Resources, value string) (err error) {
			*to(r), err = strconv.ParseUint(value, 10, 64)
			return err
		}
	}
	return []limitFlag{
		{"memory", "memory", signed(func(r *runner.Resources) *int64 { return &r.Memory })},
		{"memswap", "memory-swap", signed(func(r *runner.Resources) *int64 { return &r.MemorySwap })},
		{"cpushares", "cpu-shares", unsigned(func(r *runner.Resources) *uint64 { return &r.CPUShares })},
		{"cpuperiod", "cpu-period", unsigned(func(r *runner.Resources) *uint64 { return &r.CPUPeriod })},
		{"cpuquota", "cpu-quota", signed(func(r *runner.Resources) *int64 { return &r.CPUQuota })},
		{"cpusetcpus", "cpuset-cpus", func(r *runner.Resources, value string) error { r.CPUSetCPUs = value; return nil }},
		{"cpusetmems", "cpuset-mems", func(r *runner.Resources, value string) error { r.CPUSetMems = value; return nil }},
	}
}

// LimitOptions maps the resource-limit flags of docker build, such as memory-swap, to
// frontend options, such as memswap.
func LimitOptions() map[string]string {
	options := map[string]string{}
	for _, l := range limitFlags() {
		options[l.flag] = l.option
	}
	return options
}

// limitGiven returns the name of a flag with which the user limits the resources of steps. If
// the user sets no limit, it returns "".
func (o *Options) limitGiven() string {
	for _, l := range limitFlags() {
		if o.Resources[l.option] != "" {
			return l.flag
		}
	}
	if o.CgroupParent != "" {
		return "cgroup-parent"
	}
	return ""
}

// resources returns the parsed resource limits for steps.
func (o *Options) resources() (*runner.Resources, error) {
	r := &runner.Resources{}
	left := maps.Clone(o.Resources)
	for _, l := range limitFlags() {
		if value := left[l.option]; value != "" {
			if err := l.set(r, value); err != nil {
				return nil, fmt.Errorf("--%s: invalid value %q (want a number)", l.flag, value)
			}
		}
		delete(left, l.option)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		return nil, fmt.Errorf("limit %q: unknown", name)
	}
	return r, nil
}

// checkLimits returns an error if resource limits contradict each other. It also returns
// an error if there are limits and a runner is selected that cannot limit resources.
func (o *Options) checkLimits() error {
	r, err := o.resources()
	switch {
	case err != nil:
		return err
	case o.limitGiven() != "" && o.Runner == "portable":
		return fmt.Errorf("--%s: the portable runner has no control groups (use --runner namespace)", o.limitGiven())
	case o.limitGiven() != "" && o.Runner == "chroot" && !o.acceptsNoLimits():
		return fmt.Errorf("--%s: the chroot runner has no control groups (use --runner namespace, or accept it with --unisolated limits)", o.limitGiven())
	case r.MemorySwap > 0 && r.Memory == 0:
		return errors.New("--memory-swap: limits memory and swap together, and memory has no limit (add --memory)")
	case r.MemorySwap > 0 && r.MemorySwap < r.Memory:
		return errors.New("--memory-swap: is less than --memory (it limits memory and swap together)")
	}
	return nil
}

// acceptsNoLimits reports whether the user accepts that a runner does not limit resources.
func (o *Options) acceptsNoLimits() bool {
	return slices.Contains(o.Unisolated, string(chroot.Limits))
}

// limitSteps applies the resource limits in o to all steps that the runner r will run. It
// returns an error if a limit is unsupported.
func (o *Options) limitSteps(r *namespace.Runner) error {
	limits, err := o.resources()
	if err != nil {
		return err
	}
	err = r.Limit(o.CgroupParent, limits)
	if _, ok := errors.AsType[*cgroup.LimitError](err); ok {
		return fmt.Errorf("--%w", err)
	}
	return err
}

// limit chooses the runner before the first RUN step if the user limits the resources of
// steps. An unsupported limit therefore fails the build before any step runs.
func (c *autoRunner) limit(ctx context.Context) error {
	if c.o.limitGiven() == "" || c.o.Call != "" {
		return nil
	}
	_, err := c.choose(ctx)
	return err
}
