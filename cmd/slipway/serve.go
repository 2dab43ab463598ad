package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/userns"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"slipway/builder"
	"slipway/builder/server"
	"slipway/builder/state"
	"slipway/solver/runner/namespace"
)

// serveFlags holds the flags of slipway serve, and the options to which they are converted.
type serveFlags struct {
	opt         builder.Options
	address     string
	tls         server.TLS
	keepStorage string
	mirrors     []string
	syntax      string // builtin or image
	noHistory   bool
}

func serveCommand() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Build for BuildKit's clients, such as docker buildx and buildctl",
		Long: `Build for BuildKit's clients, such as docker buildx and buildctl.

The server speaks BuildKit's control API and builds with the cache and the stored
images of slipway build. It runs until it is interrupted.

Only the user who starts the server, and root, can connect to its unix socket. On a
loopback address without TLS, every user of this machine can build. Other addresses
need TLS with certificates of the clients.`,
		Example: `  slipway serve --addr unix:///run/slipway/slipway.sock
  docker buildx create --name slipway --driver remote unix:///run/slipway/slipway.sock
  buildctl --addr unix:///run/slipway/slipway.sock build --frontend dockerfile.v0 --local context=. --local dockerfile=.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.parse(); err != nil {
				return usageError{err}
			}
			return f.run(cmd.Context())
		},
	}
	f.define(cmd.Flags())
	return cmd
}

// define declares the flags of slipway serve. The flags for the state directory and for steps
// are the same as for slipway build.
func (f *serveFlags) define(fs *pflag.FlagSet) {
	o := &f.opt
	fs.StringVar(&f.address, "addr", defaultAddress(), "address to listen at: `unix://PATH` or tcp://HOST:PORT")
	fs.StringVar(&f.tls.CACert, "tlscacert", "", "CA certificate `FILE` used to verify clients")
	fs.StringVar(&f.tls.Cert, "tlscert", "", "certificate `FILE` of the server")
	fs.StringVar(&f.tls.Key, "tlskey", "", "key `FILE` of --tlscert")
	fs.StringSliceVar(&o.Allow, "allow-insecure-entitlement", nil, "`PRIVILEGE` that clients can request: network.host, security.insecure")
	fs.StringVar(&f.syntax, "syntax", "builtin", "meaning of # syntax=docker/dockerfile: builtin (the frontend in this program), or image")
	fs.BoolVar(&f.noHistory, "no-history", false, "keep no records of builds that have ended")
	defineLocal(fs, o, &f.keepStorage, &f.mirrors)
}

// defineLocal declares the flags of builds in this process, for the state directory and for steps.
func defineLocal(fs *pflag.FlagSet, o *builder.Options, keepStorage *string, mirrors *[]string) {
	fs.StringVar(&o.Runner, "runner", "auto", "how RUN steps run: auto, namespace, oci (runc or crun), chroot (without isolation) or portable (interpreted)")
	fs.StringSliceVar(&o.Unisolated, "unisolated", nil, "`ISOLATION` that steps may lack with --runner chroot: network, hostname, limits")
	fs.StringVar(keepStorage, "keep-storage", "", "disk space that the state directory can use after the build: `SIZE` such as 20GB, 10% of the disk, or unlimited (default as buildkitd)")
	fs.IntVar(&o.Jobs, "jobs", 0, "maximum number of steps that run concurrently (default no limit)")
	fs.StringArrayVar(&o.DeviceDirs, "cdi-spec-dir", nil, "`DIRECTORY` with descriptions of CDI devices (default /etc/cdi, /var/run/cdi and /etc/buildkit/cdi)")
	fs.StringVar(&o.ProvenanceEnvDir, "provenance-env-dir", "", "`DIRECTORY` with properties of this machine for provenance, in JSON files (default /etc/buildkit/provenance.d)")
	fs.StringVar(&o.State, "state", "", "`DIRECTORY` of the build cache and stored images (default slipway in the user's cache directory)")
	fs.StringArrayVar(mirrors, "mirror", nil, "mirror of a registry: `HOST=MIRROR`, or HOST=http://MIRROR without TLS")
}

// defaultAddress returns the address at which slipway serve listens by default: a socket in the
// user's runtime directory or, for root, in /run.
func defaultAddress() string {
	dir := "/run"
	if os.Geteuid() != 0 || userns.RunningInUserNS() {
		if d := strings.Split(os.Getenv("XDG_RUNTIME_DIR"), ":")[0]; d != "" {
			dir = d
		}
	}
	return "unix://" + filepath.ToSlash(filepath.Join(dir, "slipway", "slipway.sock"))
}

// parse converts the flags to the options f.opt, and checks them.
func (f *serveFlags) parse() (err error) {
	o := &f.opt
	o.Now = time.Now
	if f.syntax != "builtin" && f.syntax != "image" {
		return fmt.Errorf("--syntax: unknown value %q (use builtin or image)", f.syntax)
	}
	o.SyntaxImage = f.syntax == "image"
	if o.GC, err = parseGC(f.keepStorage); err != nil {
		return err
	}
	if o.Output, err = outputLimits(); err != nil {
		return err
	}
	if o.Mirrors, err = pairs("mirror", f.mirrors); err != nil {
		return err
	}
	if o.State == "" {
		if o.State, err = state.Default(); err != nil {
			return err
		}
	}
	if err := o.CheckRequest(); err != nil {
		return err
	}
	_, err = f.tls.Credentials(f.address)
	return err
}

// run runs the server until ctx ends.
func (f *serveFlags) run(ctx context.Context) error {
	if usesNamespaces(&f.opt) {
		// Without a user namespace, steps may run without one. Enter may start the program
		// again, so nothing is read or written before.
		if err := namespace.Enter(); err != nil && (f.opt.Runner == "namespace" || f.opt.Runner == "oci") {
			return err
		}
	}
	if err := f.chooseRunner(ctx); err != nil {
		return err
	}
	creds, err := f.tls.Credentials(f.address)
	if err != nil {
		return err
	}
	s, err := server.New(server.Options{Build: f.opt, Version: version(), Log: textTo(os.Stderr), NoHistory: f.noHistory})
	if err != nil {
		return err
	}
	l, err := server.Listen(f.address)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "listening at", f.address)
	return s.Serve(ctx, l, creds)
}

// chooseRunner chooses the runner of all builds. If the flag --runner is auto, it chooses the
// namespace runner. If steps cannot run in namespaces, it prints a warning: builds without a RUN
// step, or whose RUN steps are cached, still work. It never chooses the chroot runner, because
// steps of one client could then read what other clients send.
func (f *serveFlags) chooseRunner(ctx context.Context) error {
	if f.opt.Runner != "auto" {
		return nil
	}
	err := namespace.Available(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		fmt.Fprintf(os.Stderr, "warning: RUN steps fail, as they cannot run in namespaces: %v (--runner portable interprets simple scripts; --runner chroot runs steps without isolation, for clients that trust each other)\n", err)
	}
	f.opt.Runner = "namespace"
	return nil
}
