// Package builder implements slipway build, which builds Dockerfiles in this process.
//
// [Build] calls the frontend, evaluates the LLB that the frontend solves, and writes the
// outputs. The solver runs steps on this machine and stores results in a state directory.
// With Options.Builder, a BuildKit daemon solves the LLB instead.
package builder
