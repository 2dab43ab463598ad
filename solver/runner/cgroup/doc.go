// Package cgroup makes control groups for the steps of a runner, with version 1 and
// version 2 of control groups.
//
// A [Set] has one group for all steps that need nothing but a device filter. A step with
// limits has a group of its own. All groups of a set are below one directory in each
// hierarchy, named after the state directory and the process of the runner, so that a
// later runner finds what a killed one left.
//
// Groups of version 1 are made below the group of this process, whose limits go on to
// count. With version 2 that cannot be had for limits: the kernel lets no group have
// both processes and groups with limits. There they are made beside the group of this
// process or, if that is refused too, at the top of the hierarchy.
package cgroup
