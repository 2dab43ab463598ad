package server

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/sourcepolicy/policysession"

	"slipway/solver/gateway"
)

// verifier returns a verifier that asks the session with the given ID, which must belong to the user
// of the client.
func (c *buildClient) verifier(sessionID string) gateway.Verifier {
	return func(ctx context.Context, req *policysession.CheckPolicyRequest) (*policysession.CheckPolicyResponse, error) {
		caller, err := c.server.sessions.get(ctx, sessionID, c.user)
		if err != nil {
			return nil, fmt.Errorf("source policy: %w", err)
		}
		return policysession.NewPolicyVerifierClient(caller.Conn()).CheckPolicy(caller.Context(ctx), req)
	}
}
