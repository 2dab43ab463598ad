package source

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func sshClient() transport.Transport { return gitssh.DefaultClient }

// gitAgent logs in with the keys of an agent that the build was given, to hosts
// that the source knows.
func (s *Sources) gitAgent(o *gitOptions, user string) (transport.AuthMethod, error) {
	socket, ok := s.Agents[o.agent]
	if !ok {
		return nil, fmt.Errorf("no SSH key %q forwarded from the client", o.agent)
	}
	hosts, err := knownHosts(o.hosts)
	if err != nil {
		return nil, err
	}
	auth := &gitssh.PublicKeysCallback{User: user, Callback: func() ([]ssh.Signer, error) {
		// The signers use the connection as long as the login lasts.
		c, err := net.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		return agent.NewClient(c).Signers()
	}}
	auth.HostKeyCallback = hosts
	return auth, nil
}

// knownHosts checks the keys of hosts.
func knownHosts(list string) (_ ssh.HostKeyCallback, err error) {
	if list == "" {
		return nil, errors.New("no configured known hosts forwarded from the client")
	}
	f, err := os.CreateTemp("", "known-hosts-") // the library reads files only
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(list)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return gitssh.NewKnownHostsCallback(f.Name())
}
