// Package rules contains the rules of slipway lint that BuildKit does not have.
//
// Each file covers one subject and starts with a table of its rules. [All] lists the tables. A
// page in docs/rules explains each rule, and testdata/<Name>.txtar has Dockerfiles that the rule
// reports and Dockerfiles that it does not.
package rules
