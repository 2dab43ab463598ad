package solver

import (
	"slipway/internal/oneline"
)

// Error is the error of a vertex.
type Error struct {
	Vertex *Vertex
	Err    error
	// Locations are the locations of the vertex. If the vertex has none, such as the
	// download of an ADD, these are the locations of the first vertex that needed it.
	Locations []Location
}

func (e *Error) Error() string { return oneline.Name(e.Vertex.Name()) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
