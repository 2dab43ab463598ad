package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"strconv"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// identity identifies the user of a client. Clients with equal identities trust each other. The
// identity "" is equal to no other identity: see [identity.is].
type identity string

// Prefixes of identities.
const (
	certificatePrefix = "certificate " // before the digest of the public key of a certificate
	userPrefix        = "user "        // before the ID of a user of this machine
	// connectionPrefix is before the address of a client. Only requests on the same connection
	// have the same identity, because the user of the connection is unknown.
	connectionPrefix = "connection "
)

// localUser is the identity of clients that are connected to a unix socket, on systems that do not
// report the user of a connection. Only the user who started the server, and root, can connect
// unless the mode of the socket was changed.
const localUser identity = userPrefix + "of the socket"

// is reports whether two identities are known and equal.
func (i identity) is(other identity) bool { return i != "" && i == other }

// lasting reports whether the client has the same identity when it connects again.
func (i identity) lasting() bool {
	return i != "" && !strings.HasPrefix(string(i), connectionPrefix)
}

// identityOf returns the identity of the client that sent a request: the key of its certificate,
// its user on this machine or, without TLS, its TCP connection.
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
		return identity(certificatePrefix + hex.EncodeToString(sum[:]))
	}
	switch addr := p.Addr.(type) {
	case nil:
		return ""
	case userAddr:
		return identity(userPrefix + strconv.FormatUint(uint64(addr.uid), 10))
	default:
		if addr.Network() == "unix" {
			return localUser
		}
		return identity(connectionPrefix + addr.String())
	}
}

// userAddr is the address of a client that is connected to a unix socket, with the ID of the
// client's user.
type userAddr struct {
	net.Addr
	uid uint32
}

// userConn is a connection to a unix socket whose remote address contains the ID of the user.
type userConn struct {
	*net.UnixConn
	remote userAddr
}

// RemoteAddr implements [net.Conn].
func (c userConn) RemoteAddr() net.Addr { return c.remote }

// Accept implements [net.Listener]. The remote address of the connection is a userAddr if the
// system reports the user.
func (s *socket) Accept() (net.Conn, error) {
	conn, err := s.AcceptUnix()
	if err != nil {
		return nil, err
	}
	uid, ok := peerUser(conn)
	if !ok {
		return conn, nil
	}
	return userConn{conn, userAddr{conn.RemoteAddr(), uid}}, nil
}
