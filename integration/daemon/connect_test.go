//go:build integration

package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forward starts a server that connects each client with the builder's socket. It returns the
// server's host:port. If config is not nil, the server requires TLS.
func forward(t *testing.T, config *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	address := l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go connect(conn)
		}
	}()
	return address
}

func connect(conn net.Conn) {
	defer conn.Close()
	daemon, err := net.Dial("unix", strings.TrimPrefix(shared.Socket, "unix://"))
	if err != nil {
		return
	}
	defer daemon.Close()
	go func() { _, _ = io.Copy(daemon, conn) }()
	_, _ = io.Copy(conn, daemon)
}

// installFakeDocker puts a fake docker command on PATH. The fake accepts only "docker exec"
// with the command "buildctl dial-stdio" in a container named rig. It then connects its
// standard input and output to the builder's socket.
func installFakeDocker(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n[ \"$*\" = 'exec -i rig buildctl dial-stdio' ] || { echo \"no container: $*\" >&2; exit 1; }\nexec %s --addr %s dial-stdio\n", shared.Buildctl, shared.Socket)
	writeFile(t, filepath.Join(dir, "docker"), []byte(script))
	if err := os.Chmod(filepath.Join(dir, "docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// certificateFiles contains the paths of PEM files for --tlscacert and similar flags.
type certificateFiles struct {
	authority, cert, key string
	pair                 tls.Certificate
}

// newCertificate creates a certificate, signed by authority. If authority is nil, the
// certificate is self-signed.
func newCertificate(t *testing.T, authority *x509.Certificate, signer *certificateFiles) (*x509.Certificate, *certificateFiles) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"builder.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: authority == nil,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signing := template, any(key)
	if authority != nil {
		parent, signing = authority, signer.pair.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signing)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := &certificateFiles{
		authority: filepath.Join(dir, "ca.pem"), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
		pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}
	if signer != nil {
		files.authority = signer.authority
	} else {
		writeFile(t, files.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	writeFile(t, files.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, files.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, files
}

// serverTLS returns a server configuration that requires client certificates signed by
// authority.
func serverTLS(t *testing.T, authority *x509.Certificate, own *certificateFiles) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return &tls.Config{
		Certificates: []tls.Certificate{own.pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13,
	}
}
