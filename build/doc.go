// Package build builds Dockerfiles in this process: what `slipway build` does.
//
// [Run] puts the pieces together: the frontend plans the build, a solver works it
// out with the sources, the runner and the cache of this machine, and the result
// is written as asked.
package build
