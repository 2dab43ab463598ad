// Package script implements a runner whose steps are specified by a test. For each
// step, the test defines output, files, duration and exit code. No program is executed.
//
// The package is intended for tests of frontends and of other code that handles steps
// but does not depend on the programs in them. If the test does not expect a step, the
// step fails with an error that lists the expected steps.
package script
