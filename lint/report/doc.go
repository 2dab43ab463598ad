// Package report writes the findings of slipway lint in the formats that terminals, editors and
// CI systems read.
//
// [Write] chooses the format by its name. Paths in reports are the names of the files, with
// slashes.
package report
