// Package script finds the shell scripts in a Dockerfile and parses them.
//
// A [Script] is the text of a RUN instruction, of a heredoc, of an exec form such as ["sh",
// "-c", "TEXT"], or of a word after sh -c in another script. Each byte of the text has an
// offset in the Dockerfile, so that findings about a word have the exact range. Package
// mvdan.cc/sh/v3/syntax parses the text.
//
// A [Command] is a simple command in a script: its name and its words, with the values of
// variables that are certain. A word whose value is not certain is opaque.
//
// Not here: which commands are mistakes. Package lint/rules decides that.
package script
