// Package explain explains why steps of a build were not cached: it compares the parts of
// their cache keys with the keys of the last build of the same Dockerfile.
//
// Each build records its steps in a file of the state directory, also if no explanation is
// asked for.
package explain
