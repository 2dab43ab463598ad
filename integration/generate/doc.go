// Package generate makes random builds: Dockerfiles with frontend options,
// valid or nearly so. They are for comparing two frontends where nobody thought
// of a case.
//
// A build is made from a seed and a number and from nothing else, so that what
// was found on one machine can be looked at on another. Every third Dockerfile
// or so is spoiled after it was made, and most of the rest has few faults.
//
// Not here: building and comparing, which package differential does, and
// checking that a build is worth while.
package generate
