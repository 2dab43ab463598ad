// Package buildfaults tests `slipway build` under failures: kills and interrupts, full disks,
// concurrent builds that share a state directory, and a state directory that is damaged or
// belongs to another user or another version of slipway. It also tests `slipway serve` with
// kills, signals and hostile frontend images.
//
// The tests need Linux and root.
package buildfaults
