package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// sshAgent is a value of --ssh: the socket of an SSH agent, or key files. For key files, this
// program serves an agent itself.
type sshAgent struct {
	flag, id string
	paths    []string // one socket, or files with private keys
	socket   string
	keys     []agent.AddedKey
}

// parseAgents parses the values of --ssh: ID, ID=SOCKET or ID=KEY,…. An ID without = means
// the agent in SSH_AUTH_SOCK.
func parseAgents(list []string) ([]sshAgent, error) {
	var agents []sshAgent
	for _, s := range list {
		id, paths, ok := strings.Cut(s, "=")
		if !ok {
			if paths = os.Getenv("SSH_AUTH_SOCK"); paths == "" {
				return nil, fmt.Errorf("--ssh %s: SSH_AUTH_SOCK is not set: start an agent, or name a key: --ssh %[1]s=FILE", s)
			}
		}
		agents = append(agents, sshAgent{flag: s, id: id, paths: strings.Split(paths, ",")})
	}
	return agents, nil
}

// load prepares an agent for a build: it checks that the agent's socket exists, or reads
// the key files.
func (a *sshAgent) load(ctx context.Context) error {
	for _, path := range a.paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSocket != 0 {
			if len(a.paths) > 1 {
				return errors.New("a socket and other paths (use one socket, or key files)")
			}
			a.socket = path
			return nil
		}
		data, err := readFlagFile(ctx, path, maxKey)
		if err != nil {
			return err
		}
		key, err := ssh.ParseRawPrivateKey(data)
		var protected *ssh.PassphraseMissingError
		if errors.As(err, &protected) {
			return fmt.Errorf("%s has a passphrase: add it to an agent with ssh-add", path)
		}
		if err != nil {
			return fmt.Errorf("%s is neither a socket nor a private key: %w", path, err)
		}
		a.keys = append(a.keys, agent.AddedKey{PrivateKey: key})
	}
	return nil
}

// serveAgents passes the sockets of all SSH agents to the build. For each value of --ssh with
// key files, it starts an agent. The returned function stops the started agents.
func (f *buildFlags) serveAgents() (stop func(), err error) {
	f.opt.Agents = map[string]string{}
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for _, a := range f.agents {
		if len(a.keys) > 0 {
			var end func()
			if a.socket, end, err = serveKeys(a.keys); err != nil {
				stop()
				return nil, fmt.Errorf("--ssh %s: %w", a.id, err)
			}
			stops = append(stops, end)
		}
		f.opt.Agents[a.id] = a.socket
	}
	return stop, nil
}

// serveKeys starts an SSH agent with the given keys at a new socket, and returns the path of
// the socket. The returned function stops the agent.
func serveKeys(keys []agent.AddedKey) (socket string, stop func(), err error) {
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(k); err != nil {
			return "", nil, err
		}
	}
	dir, err := os.MkdirTemp("", "slipway-ssh-")
	if err != nil {
		return "", nil, err
	}
	socket = filepath.Join(dir, "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // stop has closed the listener
			}
			go func() {
				_ = agent.ServeAgent(ring, conn) // returns when the step closes the connection
				_ = conn.Close()
			}()
		}
	}()
	return socket, func() { _ = l.Close(); _ = os.RemoveAll(dir) }, nil
}
