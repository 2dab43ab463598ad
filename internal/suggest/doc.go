// Package suggest finds the word that a user probably meant.
//
// A suggestion is the option with the smallest edit distance to the misspelled word, if the
// distance is at most two. Suggestions and their texts equal those of BuildKit's util/suggest,
// except that words of more than 1000 characters get no suggestion.
package suggest
