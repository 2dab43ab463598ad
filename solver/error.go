package solver

import (
	"slipway/internal/oneline"
)

// Error reports which vertex could not be evaluated, why, and where source files such as
// the Dockerfile define the vertex.
type Error struct {
	Vertex *Vertex
	Err    error
	// Locations are the locations of the vertex in source files. If a vertex has no
	// locations, such as the download for an ADD, the locations of its first dependent
	// are used.
	Locations []Location
}

func (e *Error) Error() string { return oneline.Name(e.Vertex.Name()) + ": " + e.Err.Error() }

// Unwrap returns the error that prevented the evaluation of the vertex.
func (e *Error) Unwrap() error { return e.Err }
