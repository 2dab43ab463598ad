package server

import (
	"sync"

	"slipway/solver/gateway"
)

// producers records for each user which requests made which results. Users do not share a record,
// because a request may contain what other users must not read. The zero value is ready to use. Safe
// for concurrent use.
type producers struct {
	mu     sync.Mutex
	byUser map[identity]*gateway.Producers
}

// of returns the record of a user. If the user cannot be recognized in a later connection, it returns
// nil.
func (p *producers) of(user identity) *gateway.Producers {
	if !user.lasting() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byUser == nil {
		p.byUser = map[identity]*gateway.Producers{}
	}
	if p.byUser[user] == nil {
		p.byUser[user] = &gateway.Producers{}
	}
	return p.byUser[user]
}
