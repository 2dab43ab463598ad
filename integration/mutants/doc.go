// Command mutants changes single lines of product code, one at a time, and runs the
// tests of the package that owns the line. Tests that still pass have not noticed
// the change: the mutant survives, and the command fails.
//
//	go run ./integration/mutants               all of mutants.txt
//	go run ./integration/mutants -run solver   those whose name, file or text matches
//
// mutants.txt has the list. The working tree is not touched: the go command reads
// the changed file through -overlay. A change that does not compile, or whose line no
// longer exists exactly once, is an error: the list has to follow the code.
package main
