// Package suggest finds what a misspelt word may have meant.
//
// A suggestion is the nearest of the options that differs from the word by at
// most two insertions, deletions and substitutions of a character. Matches and
// texts are those of BuildKit's util/suggest, but words of more than 1000
// characters are not compared.
//
// Not here: what the options are.
package suggest
