// Package buildfaults tests what happens to `slipway build` when it is killed or
// interrupted, when a disk is full, when several builds share a state directory,
// and when that belongs to someone else.
//
// Its tests need Linux and root.
package buildfaults
