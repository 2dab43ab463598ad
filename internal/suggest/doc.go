// Package suggest finds the probable meaning of a misspelled word.
//
// A suggestion is the nearest option whose edit distance to the word is at most
// two. Matches and texts equal those of BuildKit's util/suggest, except that
// words of more than 1000 characters are not compared.
//
// Out of scope: the options themselves.
package suggest
