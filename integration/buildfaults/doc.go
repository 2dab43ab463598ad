// Package buildfaults tests `slipway build` under failures: kills and
// interrupts, full disks, concurrent builds with one state directory, and a
// state directory of another user.
//
// The tests need Linux and root.
package buildfaults
