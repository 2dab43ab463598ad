package shellcheck

import "time"

// SetLimit sets the time after which a process is killed.
func (c *Checker) SetLimit(d time.Duration) { c.limit = d }
