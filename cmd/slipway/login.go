package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"slipway/builder"
)

// loginFlags holds the flags of slipway login.
type loginFlags struct {
	user, password string
	fromStdin      bool
}

func loginCommand() *cobra.Command {
	f := &loginFlags{}
	cmd := &cobra.Command{
		Use:   "login [flags] [REGISTRY]",
		Short: "Log in to a registry",
		Long: `Log in to a registry, Docker Hub by default.

The login is stored as by docker login: with the credential helper that
~/.docker/config.json names, or in that file.`,
		Example: `  slipway login registry.example
  slipway login -u me --password-stdin registry.example < token`,
		Args: oneRegistry,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return usageError{err}
			}
			host := registryOf(args)
			if err := f.complete(host, os.Stdin); err != nil {
				return err
			}
			if err := builder.Login(cmd.Context(), host, f.user, f.password); err != nil {
				return err
			}
			_, err := fmt.Println("Login Succeeded")
			return err
		},
	}
	cmd.Flags().StringVarP(&f.user, "username", "u", "", "`NAME` of the user")
	cmd.Flags().StringVarP(&f.password, "password", "p", "", "password or token; other users of this machine can see it")
	cmd.Flags().BoolVar(&f.fromStdin, "password-stdin", false, "read the password or token from standard input")
	return cmd
}

func logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout [REGISTRY]",
		Short: "Log out from a registry",
		Long:  "Log out from a registry, Docker Hub by default: remove the stored login.",
		Args:  oneRegistry,
		RunE: func(_ *cobra.Command, args []string) error {
			host := registryOf(args)
			_, err := fmt.Println("Removing login credentials for", host)
			return errors.Join(err, builder.Logout(host))
		},
	}
}

func oneRegistry(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("takes one registry, not %q", args)}
	}
	return nil
}

func registryOf(args []string) string {
	if len(args) == 0 {
		return builder.RegistryHost("")
	}
	return builder.RegistryHost(args[0])
}

// check returns an error if the flags contradict each other.
func (f *loginFlags) check() error {
	switch {
	case f.fromStdin && f.password != "":
		return errors.New("--password and --password-stdin: both give the password (leave one out)")
	case f.fromStdin && f.user == "":
		return errors.New("--password-stdin: the user is missing (add --username NAME)")
	}
	return nil
}

// complete reads the password from standard input, or asks the user for the user name and
// the password if they are not set.
func (f *loginFlags) complete(host string, stdin *os.File) error {
	if f.fromStdin {
		data, err := io.ReadAll(io.LimitReader(stdin, 1<<20))
		if err != nil {
			return err
		}
		f.password = strings.TrimRight(string(data), "\r\n")
		if f.password == "" {
			return errors.New("--password-stdin: standard input is empty")
		}
		return nil
	}
	if f.user != "" && f.password != "" {
		return nil
	}
	if !isTerminal(stdin) {
		return usageError{errors.New("login needs a terminal to ask for the password (or use --username and --password-stdin)")}
	}
	return f.prompt(host, stdin)
}

func (f *loginFlags) prompt(host string, stdin *os.File) error {
	if f.user == "" {
		fmt.Fprintf(os.Stderr, "Username for %s: ", host)
		line, err := bufio.NewReader(stdin).ReadString('\n')
		if err != nil {
			return err
		}
		f.user = strings.TrimSpace(line)
	}
	if f.password == "" {
		fmt.Fprint(os.Stderr, "Password: ")
		secret, err := term.ReadPassword(int(stdin.Fd()))
		fmt.Fprintln(os.Stderr)
		if err != nil {
			return err
		}
		f.password = string(secret)
	}
	if f.user == "" || f.password == "" {
		return errors.New("the user name or the password is empty")
	}
	return nil
}
