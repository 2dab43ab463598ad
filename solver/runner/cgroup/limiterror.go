package cgroup

// LimitError reports that a resource limit or the option --cgroup-parent cannot be
// applied to steps.
type LimitError struct {
	Limit string // name of the docker build flag, such as memory
	Err   error
}

func (e *LimitError) Error() string { return e.Limit + ": " + e.Err.Error() }

func (e *LimitError) Unwrap() error { return e.Err }
