// Package cgroup creates control groups for the steps of a runner. It supports version
// 1 and version 2 of control groups.
//
// A [Set] has one group for all steps that only need a device filter. A step with
// limits has its own group. In each hierarchy, all groups of a set are below one
// directory. Its name contains a hash of the state directory and the PID of the runner,
// so that a later runner can find and remove the groups of a killed runner.
//
// Version 1 groups are created below the group of the builder, so the limits of that
// group apply to steps as well. This does not work for version 2 groups with limits:
// the kernel forbids groups that contain both processes and child groups with limits
// (the "no internal processes" rule of cgroups(7)). Such groups are created next to the
// group of the builder or, if that fails too, at the top of the hierarchy.
package cgroup
