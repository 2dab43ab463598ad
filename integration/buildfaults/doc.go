// Package buildfaults tests `slipway build` under failures: kills and
// interrupts, full disks, concurrent builds with one state directory, damaged
// files in it, and a state directory of another user or another version.
//
// The tests need Linux and root.
package buildfaults
