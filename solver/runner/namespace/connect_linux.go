package namespace

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// connectorName is a program that connects a network namespace with the network of the machine
// without privileges: it forwards packets from a device in the namespace through sockets of its
// own. The step cannot connect to services on the loopback device of the machine.
const connectorName = "slirp4netns"

// connectorResolver is the address at which the program forwards requests to the name server of the
// machine.
const connectorResolver = "10.0.2.3"

// connector is the path of an installed program with the name connectorName.
type connector string

// tunDevice is the device that the program needs.
const tunDevice = "/dev/net/tun"

// findConnector returns the connector for steps, or "" if they use the network of the machine. They do
// so if they may use all ports there, if no connector is installed, or if it could not work.
func findConnector() connector {
	if !lacksPorts() {
		return ""
	}
	tun, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	if err != nil {
		return ""
	}
	tun.Close()
	program, _ := exec.LookPath(connectorName) // "" if it is not installed
	return connector(program)
}

// resolvConf returns the file resolv.conf of a step: the file of the machine, but with the name
// server of the connector.
func resolvConf(machine []byte) []byte {
	out := "nameserver " + connectorResolver + "\n"
	for line := range strings.Lines(string(machine)) {
		if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word != "nameserver" {
			out += line
		}
	}
	return []byte(out)
}

// connect connects the network namespace of the process pid, and returns when the connection is
// ready. The caller must call stop. The program also ends if this process ends, because that closes
// a pipe.
func (c connector) connect(pid int) (stop func(), err error) {
	if stop, err = c.start(pid); err != nil {
		return nil, fmt.Errorf("connect the network of the step with %s: %w (leave it out of PATH to use the network of the machine)", string(c), err)
	}
	return stop, nil
}

// start implements [connector.connect].
func (c connector) start(pid int) (stop func(), err error) {
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyR.Close()
	exitR, exitW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, readyW.Close())
	}
	var log bytes.Buffer
	cmd := exec.Command(string(c), "--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3", "--exit-fd=4", strconv.Itoa(pid), "tap0")
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr, cmd.Dir = []*os.File{readyW, exitR}, &log, &log, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // signals from the terminal are intended for the builder
	err = cmd.Start()
	readyW.Close()
	exitR.Close()
	if err != nil {
		return nil, errors.Join(err, exitW.Close())
	}
	stop = func() {
		exitW.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // its exit code has no meaning
	}
	if n, _ := readyR.Read(make([]byte, 1)); n == 1 {
		return stop, nil
	}
	stop()
	return nil, fmt.Errorf("%v: %s", cmd.ProcessState, bytes.TrimSpace(log.Bytes()))
}
