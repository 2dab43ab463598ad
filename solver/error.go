package solver

import (
	"errors"

	"slipway/internal/oneline"
)

// Error is the error of an operation.
type Error struct {
	Vertex *Vertex
	Err    error
	// Locations has the locations of the vertex. If it has none, such as the
	// download of an ADD, it has the locations of the first vertex that needed it.
	Locations []Location
}

func (e *Error) Error() string { return oneline.Name(e.Vertex.Name()) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// failed attributes an error to t, unless it is the error of an input.
func (t *task) failed(err error) error {
	var of *Error
	if err == nil || errors.As(err, &of) {
		return t.located(err)
	}
	return &Error{Vertex: t.v, Err: err, Locations: t.v.Locations}
}

// located gives the locations of t to the error of an input that has none.
func (t *task) located(err error) error {
	var of *Error
	if errors.As(err, &of) && len(of.Locations) == 0 && len(t.v.Locations) > 0 {
		return &Error{Vertex: of.Vertex, Err: of.Err, Locations: t.v.Locations}
	}
	return err
}
