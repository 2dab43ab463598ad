package interp

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/moby/sys/user"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

// environ is the initial environment of an interpreted shell.
type environ struct {
	expand.Environ
	bash bool // the shell is bash, which sets UID and EUID
	// ready is set when the interpreter has been initialized. During initialization, the
	// interpreter sets UID, EUID and GID to the IDs of this process on the host, unless they
	// are set already. Until then, Get therefore reports all of them as set.
	ready bool
}

// Get implements [expand.Environ].
func (e *environ) Get(name string) expand.Variable {
	v := e.Environ.Get(name)
	switch name {
	case "UID", "EUID":
		if !v.IsSet() && (e.bash || !e.ready) {
			return rootID()
		}
	case "GID":
		if !v.IsSet() && !e.ready {
			return rootID()
		}
	}
	return v
}

// Each implements [expand.Environ].
func (e *environ) Each(fn func(string, expand.Variable) bool) {
	for _, name := range []string{"UID", "EUID"} {
		if e.bash && !e.Environ.Get(name).IsSet() && !fn(name, rootID()) {
			return
		}
	}
	e.Environ.Each(fn)
}

// rootID returns a read-only shell variable with the value 0: the UID, EUID or GID of
// root.
func rootID() expand.Variable {
	return expand.Variable{Set: true, Kind: expand.String, Str: "0", ReadOnly: true}
}

// users returns the users in the image's /etc/passwd for which the function match
// returns true. If the file does not exist, the list is empty.
func (p *process) users(match func(user.User) bool) ([]user.User, error) {
	data, err := p.Read("/etc/passwd")
	var missing *fs.PathError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return user.ParsePasswdFilter(bytes.NewReader(data), match)
}

// rootHome returns the home directory of user ID 0 of the image, or / if the image has
// no such user.
func (p *process) rootHome() (string, error) {
	list, err := p.users(func(u user.User) bool { return u.Uid == 0 })
	if err != nil || len(list) == 0 {
		return "/", err
	}
	return list[0].Home, nil
}

// printHome prints the home directory of a user of the image. If the user does not
// exist, it prints ~NAME unchanged, as shells do.
func (p *process) printHome(hc interp.HandlerContext, name string) error {
	list, err := p.users(func(u user.User) bool { return u.Name == name })
	if err != nil {
		return err
	}
	home := "~" + name
	if len(list) > 0 {
		home = list[0].Home
	}
	_, err = fmt.Fprint(hc.Stdout, home)
	return err
}
