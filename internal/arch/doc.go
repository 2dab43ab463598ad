// Package arch tests that the code keeps to the structure that ARCHITECTURE.md
// draws. It has no code of its own.
package arch
