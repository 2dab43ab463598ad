// Package explain explains why steps of a build were not cached. It compares the parts of
// the steps' cache keys with the parts in the last build of the same Dockerfile.
//
// Each build records its steps in a file, even if the user requests no explanation.
package explain
