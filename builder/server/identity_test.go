package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/buildid"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	newid "github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/util/grpcerrors"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"slipway/builder"
)

// authority is a certificate authority with a directory for the PEM files that it makes.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	data, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(data); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", data)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// write writes a PEM file and returns its path.
func (a *authority) write(name, kind string, data []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// sign makes a certificate for a user or for the server, which expires after the given time, and
// returns the paths of the certificate and its key.
func (a *authority) sign(name string, expires time.Duration) (cert, key string) {
	a.t.Helper()
	k := a.newKey()
	data, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(expires),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", data), a.write(name+".key", "PRIVATE KEY", pkcs)
}

// client returns an option of a client that has a certificate.
func (a *authority) client(name string, expires time.Duration) client.ClientOpt {
	return client.WithCredentials(a.sign(name, expires))
}

// listenTCP starts another server with the state directory of s on a loopback address. If a is not
// nil, clients need a certificate of the authority.
func (x *testServer) listenTCP(t *testing.T, a *authority) *testServer {
	t.Helper()
	l, err := Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := &testServer{address: "tcp://" + l.Addr().String(), state: x.state}
	var creds credentials.TransportCredentials
	if a != nil {
		cert, key := a.sign("server", time.Hour)
		if creds, err = (TLS{CACert: filepath.Join(a.dir, "ca.pem"), Cert: cert, Key: key}).Credentials(out.address); err != nil {
			t.Fatal(err)
		}
	}
	if out.server, err = New(Options{Build: builder.Options{State: x.state, Runner: "portable", Now: time.Now}, Log: testLog{t}}); err != nil {
		t.Fatal(err)
	}
	out.serve(t, out.server, l, creds)
	return out
}

// TestMutualTLS checks that only clients with a valid certificate of the right authority can use
// the server.
func TestMutualTLS(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	s := startServer(t, builder.Options{}).listenTCP(t, a)
	trust := client.WithServerConfig("127.0.0.1", filepath.Join(a.dir, "ca.pem"))
	for name, opts := range map[string][]client.ClientOpt{
		"right":              {trust, a.client("alice", time.Hour)},
		"no certificate":     {trust},
		"other authority":    {trust, other.client("eve", time.Hour)},
		"expired":            {trust, a.client("old", -time.Minute)},
		"distrusts server":   {client.WithServerConfig("127.0.0.1", filepath.Join(other.dir, "ca.pem")), a.client("bob", time.Hour)},
		"another name":       {client.WithServerConfig("builder.example", filepath.Join(a.dir, "ca.pem")), a.client("carol", time.Hour)},
		"without encryption": nil,
	} {
		_, err := connect(t, s.address, opts...).ListWorkers(t.Context())
		// With TLS 1.3, a client may write before it learns that the server has refused it, so
		// the error depends on the order.
		if (err == nil) != (name == "right") {
			t.Errorf("%s: error %v, want one only for an invalid client", name, err)
		}
	}
}

// TestPeerUser checks that the identity of a client at a unix socket contains its user.
func TestPeerUser(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // short, because the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := Listen("unix://" + filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the socket is in a temporary directory
	conn, err := net.Dial("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close() //nolint:errcheck // nothing was written
	want := localUser
	if runtime.GOOS == "linux" {
		want = identity(userPrefix + big.NewInt(int64(os.Geteuid())).String())
	}
	if got := identityOf(peer.NewContext(t.Context(), &peer.Peer{Addr: accepted.RemoteAddr()})); got != want {
		t.Errorf("the identity is %q, want %q", got, want)
	}
	for addr, lasting := range map[net.Addr]bool{
		userAddr{accepted.RemoteAddr(), 1000}:    true,
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}: false,
		&net.UnixAddr{Name: "/x", Net: "unix"}:   true,
	} {
		id := identityOf(peer.NewContext(t.Context(), &peer.Peer{Addr: addr}))
		if id == "" || id == want && addr.Network() != "unix" || id.lasting() != lasting {
			t.Errorf("%v: the identity is %q, lasting %t", addr, id, id.lasting())
		}
	}
}

// twoClients are clients with different identities.
type twoClients struct {
	server     *testServer
	alice, bob *client.Client
	conn       *grpc.ClientConn // of bob
}

// TestOtherClient checks that a client cannot use what another client has sent, although it knows
// the IDs of the session and of the build: with certificates, and on a TCP connection without.
func TestOtherClient(t *testing.T) {
	t.Parallel() // waits for sessions
	a := newAuthority(t)
	for name, start := range map[string]func(t *testing.T, s *testServer) twoClients{
		"tls": func(t *testing.T, s *testServer) twoClients {
			s = s.listenTCP(t, a)
			trust := client.WithServerConfig("127.0.0.1", filepath.Join(a.dir, "ca.pem"))
			cert, key := a.sign("bob", time.Hour)
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(a.cert)
			raw := s.dialRaw(t, credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{pair}}))
			return twoClients{s, connect(t, s.address, trust, a.client("alice", time.Hour)), connect(t, s.address, trust, client.WithCredentials(cert, key)), raw}
		},
		"tcp": func(t *testing.T, s *testServer) twoClients {
			s = s.listenTCP(t, nil)
			return twoClients{s, connect(t, s.address), connect(t, s.address), s.dialRaw(t, insecure.NewCredentials())}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testOtherClient(t, start(t, startServer(t, builder.Options{})))
		})
	}
}

func testOtherClient(t *testing.T, c twoClients) {
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a.txt /\n", "a.txt": "private"}))
	opt.Frontend, opt.Ref = "", newid.NewID()
	opt.Session = []session.Attachable{secretsprovider.FromMap(map[string][]byte{"s": []byte("hidden")})}
	_, err := c.alice.Build(t.Context(), opt, "test", func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
		res, err := g.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: g.BuildOpts().Opts, Evaluate: true})
		if err != nil {
			return nil, err
		}
		c.wantDenied(t, opt.Ref, g.BuildOpts().SessionID)
		return res, nil
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

// wantDenied checks that bob cannot use a build and a session of alice.
func (c twoClients) wantDenied(t *testing.T, ref, id string) {
	t.Helper()
	denied := func(about string, err error, want codes.Code) {
		t.Helper()
		if grpcerrors.Code(err) != want {
			t.Errorf("%s: error %v, want one with the code %s", about, err, want)
		}
	}
	ctx := buildid.AppendToOutgoingContext(t.Context(), ref)
	def, err := llb.Local("context").Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gw := gwpb.NewLLBBridgeClient(c.conn)
	_, err = gw.Ping(ctx, &gwpb.PingRequest{})
	denied("ping", err, codes.PermissionDenied)
	_, err = gw.Solve(ctx, &gwpb.SolveRequest{Definition: def.ToPB()})
	denied("solve in the build", err, codes.PermissionDenied)
	_, err = gw.ReadFile(ctx, &gwpb.ReadFileRequest{Ref: "ref-0", FilePath: "/a.txt"})
	denied("read a file of the result", err, codes.PermissionDenied)
	_, err = gw.Return(ctx, &gwpb.ReturnRequest{})
	denied("return a result", err, codes.PermissionDenied)

	sessionErr := func(id string) error {
		stream, err := c.bob.ControlClient().Session(metadata.AppendToOutgoingContext(t.Context(), sessionHeader, id))
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	denied("a session with the same ID", sessionErr(id), codes.AlreadyExists)
	denied("a session with a prefix", sessionErr("x:"+id), codes.InvalidArgument)
	for _, id := range []string{id, "x:" + id} {
		_, err = c.bob.ControlClient().Solve(t.Context(), &controlapi.SolveRequest{Ref: newid.NewID(), Session: id, Definition: def.ToPB()})
		denied("a build with the session "+id, err, codes.PermissionDenied)
	}
}

// TestReceivedFiles checks that a client has to send a file that another client has sent before,
// even if it claims to have the same file. A client need not send its own file again, if the server
// knows who it is.
func TestReceivedFiles(t *testing.T) {
	a := newAuthority(t)
	s := startServer(t, builder.Options{}).listenTCP(t, a)
	trust := client.WithServerConfig("127.0.0.1", filepath.Join(a.dir, "ca.pem"))
	testReceivedFiles(t, connect(t, s.address, trust, a.client("alice", time.Hour)), connect(t, s.address, trust, a.client("bob", time.Hour)))
}

func testReceivedFiles(t *testing.T, alice, bob *client.Client) {
	def, err := llb.Local("context").Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stat := file("a", 3)
	stat.ModTime = time.Now().UnixNano()
	// asked reports whether the server asks the client for the file.
	asked := func(c *client.Client) bool {
		asked := false
		id := openSession(t, c, liar{send: func(l *lyingStream) error {
			if err := l.list(stat); err != nil {
				return err
			}
			p, err := l.Recv()
			if err != nil {
				return err
			}
			if asked = p.Type == fstypes.PACKET_REQ; !asked {
				return l.Send(&fstypes.Packet{Type: fstypes.PACKET_FIN})
			}
			return errors.Join(
				l.Send(&fstypes.Packet{Type: fstypes.PACKET_DATA, ID: p.ID, Data: []byte("abc")}),
				l.Send(&fstypes.Packet{Type: fstypes.PACKET_DATA, ID: p.ID}), l.answer())
		}})
		if _, err := c.ControlClient().Solve(t.Context(), &controlapi.SolveRequest{Ref: newid.NewID(), Session: id, Definition: def.ToPB()}); err != nil {
			t.Error(err)
		}
		return asked
	}
	if !asked(alice) || asked(alice) {
		t.Error("the server does not ask for the file once")
	}
	if !asked(bob) {
		t.Error("the server does not ask another client for the file")
	}
}
