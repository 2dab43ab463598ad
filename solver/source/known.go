package source

import "sync"

// known keeps what was found out during a build, so that all who ask get the
// same answer. Errors are not kept. The zero value knows nothing.
type known[T any] struct{ entries sync.Map }

type entry[T any] struct {
	mu    sync.Mutex
	ok    bool
	value T
}

// get returns what is known of a key, or finds it out; others who ask for it
// meanwhile wait.
func (k *known[T]) get(key string, find func() (T, error)) (T, error) {
	v, _ := k.entries.LoadOrStore(key, &entry[T]{})
	e := v.(*entry[T])
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ok {
		return e.value, nil
	}
	value, err := find()
	if err == nil {
		e.ok, e.value = true, value
	}
	return value, err
}
