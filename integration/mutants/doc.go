// Command mutants changes single lines of product code, one at a time, and runs the tests of
// the package that contains the line. If the tests still pass, they do not notice the change:
// the mutant survives, and the command fails.
//
//	go run ./integration/mutants               all mutants in mutants.txt
//	go run ./integration/mutants -run solver   only those whose title, file or text matches
//
// The command does not modify the working tree: the go command reads the changed file through
// -overlay. Before any test runs, the command checks the whole list. A mutant that does not
// compile, or whose line does not occur exactly once, is an error, because mutants.txt must
// follow the code.
package main
