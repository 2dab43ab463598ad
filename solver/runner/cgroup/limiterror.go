package cgroup

// LimitError reports that steps cannot have a limit.
type LimitError struct {
	Limit string // by the flag of docker build, such as memory
	Err   error
}

func (e *LimitError) Error() string { return e.Limit + ": " + e.Err.Error() }

func (e *LimitError) Unwrap() error { return e.Err }
