// Package generate generates random builds: Dockerfiles with frontend options that are valid or
// nearly valid. Such builds show whether two frontends behave alike for input that no test case
// contains.
//
// A build depends only on a seed and a number, so findings can be reproduced on any machine.
// About one in three Dockerfiles is corrupted after it was generated. Most of the other
// Dockerfiles contain few errors.
//
// Package differential runs the builds and compares the results.
package generate
