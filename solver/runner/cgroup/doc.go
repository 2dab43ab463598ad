// Package cgroup creates control groups for the steps of a runner. It supports version
// 1 and version 2 of control groups.
//
// A [Set] has one group for all steps that only need a device filter. A step with
// limits has its own group. In each hierarchy, all groups of a set are below one
// directory. Its name contains the state directory and the PID of the runner, so that a
// later runner can find the groups of a killed one.
//
// Version 1 groups are created below the group of this process, so its limits remain in
// effect. For version 2 groups with limits this is impossible: the kernel forbids
// groups that contain both processes and child groups with limits. These groups are
// created next to the group of this process or, if that fails too, at the top of the
// hierarchy.
package cgroup
