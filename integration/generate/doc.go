// Package generate generates random builds: Dockerfiles with frontend options
// that are valid or nearly valid. They compare two frontends in situations that
// no case covers.
//
// A build depends only on a seed and a number, so findings can be reproduced on
// another machine. About every third Dockerfile is corrupted after generation,
// and most of the others contain few errors.
//
// Out of scope: building and comparing (package differential), and deciding
// whether a build is useful.
package generate
