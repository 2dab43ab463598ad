package llbsource

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// dialGitSSH connects to a known host with the keys of a forwarded SSH agent, and starts
// git-upload-pack on this host.
func (s *Sources) dialGitSSH(ctx context.Context, o *gitOptions, ep *transport.Endpoint) (*gitStream, error) {
	socket, ok, err := s.agent(ctx, o.agent)
	if err != nil {
		return nil, fmt.Errorf("git over SSH: agent %q: %w", o.agent, err)
	}
	if !ok {
		return nil, fmt.Errorf("git over SSH: no SSH key %q forwarded from the client (forward an agent or a key: --ssh %s)", o.agent, o.agent)
	}
	port := ep.Port
	if port <= 0 {
		port = gitssh.DefaultPort
	}
	config := &ssh.ClientConfig{User: ep.User}
	address := net.JoinHostPort(ep.Host, strconv.Itoa(port))
	if err := knownHosts(o.hosts, address, config); err != nil {
		return nil, fmt.Errorf("git over SSH: %w", err)
	}
	keys, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("git over SSH: agent %q: %w", o.agent, err)
	}
	defer keys.Close() // needed for the login only
	config.Auth = []ssh.AuthMethod{ssh.PublicKeysCallback(agent.NewClient(keys).Signers)}
	p := newStallTimer(ctx, ep.Host, s.Stall)
	stop := context.AfterFunc(p.ctx, func() { _ = keys.Close() }) // unblocks a read from a silent agent
	defer stop()
	conn, err := dial(p, ep.Host, port)
	if err != nil {
		return nil, err
	}
	p.wait()
	g, err := startGit(conn, address, config, ep.Path)
	p.stop()
	if err != nil {
		err = errors.Join(p.cause(err), conn.Close())
		p.end()
		return nil, err
	}
	g.timer = p
	return g, nil
}

// startGit logs in over an open connection and starts git-upload-pack. The parameter
// path is the path of the repository on the server.
func startGit(conn net.Conn, address string, config *ssh.ClientConfig, path string) (*gitStream, error) {
	c, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		return nil, err
	}
	g := &gitStream{conn: conn, stderr: &prefixBuffer{}}
	session, err := ssh.NewClient(c, channels, requests).NewSession()
	if err != nil {
		return nil, err
	}
	session.Stderr = g.stderr
	g.waitStderr = func() { _ = session.Wait() } // standard error is more specific than the exit status
	if g.in, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	if g.out, err = session.StdoutPipe(); err != nil {
		return nil, err
	}
	// A shell reads the command: https://git-scm.com/docs/gitprotocol-pack#_ssh_transport
	quoted := "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
	return g, session.Start(transport.UploadPackServiceName + " " + quoted)
}

// knownHosts makes config accept only known host keys, and only key algorithms that are
// known for the given address, so that a server with several keys offers a known key. The
// parameter list is the content of a known_hosts file.
func knownHosts(list, address string, config *ssh.ClientConfig) (err error) {
	if list == "" {
		return errNoHosts
	}
	file, err := hostsFile(list) // the library only reads files
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	known, err := gitssh.NewKnownHostsDb(file)
	if err != nil {
		return err
	}
	config.HostKeyCallback, config.HostKeyAlgorithms = known.HostKeyCallback(), known.HostKeyAlgorithms(address)
	return nil
}

var errNoHosts = errors.New("no configured known hosts forwarded from the client")

// hostsFile writes a list of known hosts to a temporary file and returns its name.
func hostsFile(list string) (string, error) {
	f, err := os.CreateTemp("", "known-hosts-")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(list)
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), err
}
