// Package builder implements `slipway build`: it builds Dockerfiles in this process.
//
// [Build] runs the frontend, evaluates its result with a solver that uses the sources,
// the runner and the state directory of this machine, and writes the outputs.
package builder
