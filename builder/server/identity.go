package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// identity identifies the user of a client. Clients with equal identities trust each other. The
// identity "" means that the user is unknown.
type identity string

// localUser is the identity of clients that are connected to a unix socket. Only the user who
// started the server, and root, can connect to it.
const localUser identity = "local user"

// identityOf returns the identity of the client that sent a request: the key of its certificate,
// or localUser. For a client on a TCP connection without a certificate, it returns "".
func identityOf(ctx context.Context) identity {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
		chains := info.State.VerifiedChains
		if len(chains) == 0 || len(chains[0]) == 0 {
			return ""
		}
		sum := sha256.Sum256(chains[0][0].RawSubjectPublicKeyInfo)
		return identity("certificate " + hex.EncodeToString(sum[:]))
	}
	if p.Addr != nil && p.Addr.Network() == "unix" {
		return localUser
	}
	return ""
}
