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

// environ is the initial environment of a shell.
type environ struct {
	expand.Environ
	bash bool
	// ready is set when the interpreter has started. Before that, the interpreter sets
	// missing variables to the IDs of the builder's user.
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

// rootID returns the ID of root as bash sets it.
func rootID() expand.Variable {
	return expand.Variable{Set: true, Kind: expand.String, Str: "0", ReadOnly: true}
}

// users returns the matching users of the image.
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

// rootHome returns the home directory of root.
func (p *process) rootHome() (string, error) {
	list, err := p.users(func(u user.User) bool { return u.Uid == 0 })
	if err != nil || len(list) == 0 {
		return "/", err
	}
	return list[0].Home, nil
}

// home prints the home directory of a user. If the user does not exist, it prints
// ~NAME, as shells do.
func (p *process) home(hc interp.HandlerContext, name string) error {
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
