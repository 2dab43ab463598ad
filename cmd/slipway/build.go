package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/spf13/cobra"

	"slipway/build"
	"slipway/solver/runner/namespace"
)

// buildFlags are the flags of slipway build, as they were given.
type buildFlags struct {
	opt                      build.Options
	args, labels, contexts   []string
	secrets, agents, outputs []string
	mirrors                  []string
	shmSize, progress        string
	push, explain            bool
}

func buildCommand() *cobra.Command {
	f := &buildFlags{}
	cmd := &cobra.Command{
		Use:   "build [flags] CONTEXT",
		Short: "Build an image from a Dockerfile",
		Long: `Build an image from a Dockerfile, in this process.

CONTEXT is a directory, the URL of a git repository or of an archive, or - for
an archive or a Dockerfile on standard input.

Steps run in namespaces of their own where the machine allows it. That is for
building what you trust; it is no boundary against hostile code.

Exit codes: 0 built, 1 the build failed, 2 the command line is wrong, 130
interrupted.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("build needs one CONTEXT, a directory, a URL or -, not %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.opt.Context = args[0]
			return f.run(cmd.Context())
		},
	}
	fs := cmd.Flags()
	o := &f.opt
	fs.StringVarP(&o.File, "file", "f", "", "Dockerfile, or - for standard input (default CONTEXT/Dockerfile)")
	fs.StringArrayVarP(&o.Tags, "tag", "t", nil, "`name` of the image, with a tag")
	fs.StringVar(&o.Target, "target", "", "`stage` to build (default the last one)")
	fs.StringArrayVar(&f.args, "build-arg", nil, "value of an ARG: `KEY=VALUE`, or KEY for the one of the environment")
	fs.StringArrayVar(&f.labels, "label", nil, "label of the image: `KEY=VALUE`")
	fs.StringArrayVar(&f.contexts, "build-context", nil, "another context: `NAME=DIRECTORY`, docker-image://, oci-layout://, http(s)://, git")
	fs.StringSliceVar(&o.Platforms, "platform", nil, "`platforms` to build for (default this machine's)")
	fs.StringArrayVar(&f.secrets, "secret", nil, "secret: `id=ID[,src=FILE|env=NAME]`")
	fs.StringArrayVar(&f.agents, "ssh", nil, "SSH agent: `default|ID[=SOCKET]`")
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "where the result goes: `type=oci|docker|tar|local|image,dest=PATH`, a directory, or -")
	fs.BoolVar(&o.NoCache, "no-cache", false, "run all steps")
	fs.StringSliceVar(&o.NoCacheFilter, "no-cache-filter", nil, "run all steps of these `stages`")
	fs.BoolVar(&o.Pull, "pull", false, "look images up even if they are known")
	fs.StringVar(&o.Network, "network", "", "`network` of steps: default, none or host")
	fs.StringArrayVar(&o.AddHosts, "add-host", nil, "name of a host: `HOST:IP`")
	fs.StringVar(&f.shmSize, "shm-size", "", "size of /dev/shm in `bytes`, or with a unit")
	fs.StringArrayVar(&o.Ulimits, "ulimit", nil, "limit of processes: `NAME=SOFT[:HARD]`")
	fs.StringArrayVar(&o.Allow, "allow", nil, "privilege that steps may ask for: network.host, security.insecure")
	fs.StringVar(&f.progress, "progress", "auto", "how progress is shown: auto, plain, tty, rawjson or quiet")
	fs.StringVar(&o.Runner, "runner", "auto", "how steps run: auto, namespace or portable")
	fs.StringVar(&o.State, "state", "", "`directory` of cache and results (default the user's cache directory)")
	fs.StringArrayVar(&f.mirrors, "mirror", nil, "registry that is asked instead of another: `HOST=MIRROR`")
	fs.BoolVar(&f.explain, "explain", false, "tell of each step that was not cached what changed")
	fs.BoolVar(&f.push, "push", false, "push the image: the same as --output type=image,push=true")
	return cmd
}

// run builds with progress.
func (f *buildFlags) run(ctx context.Context) error {
	if err := f.parse(); err != nil {
		return usageError{err}
	}
	if f.opt.Runner != "portable" {
		// Without a namespace to be root of, steps are interpreted.
		if err := namespace.Enter(); err != nil && f.opt.Runner == "namespace" {
			return err
		}
	}
	if f.progress != "quiet" && f.progress != "rawjson" {
		f.opt.Log = os.Stderr
	}
	display, err := progressui.NewDisplay(os.Stderr, progressui.DisplayMode(f.progress))
	if err != nil {
		return usageError{err}
	}
	status := make(chan *client.SolveStatus)
	shown := make(chan error, 1)
	go func() {
		_, err := display.UpdateFrom(context.WithoutCancel(ctx), status)
		shown <- err
	}()
	f.opt.Status = func(s *client.SolveStatus) { status <- s }
	err = build.Run(ctx, f.opt)
	close(status)
	if displayErr := <-shown; err == nil {
		err = displayErr
	}
	return err
}

// parse turns the flags into options.
func (f *buildFlags) parse() error {
	o := &f.opt
	o.Now, o.Stdin = time.Now, os.Stdin
	var err error
	if o.State == "" {
		if o.State, err = build.DefaultState(); err != nil {
			return err
		}
	}
	o.BuildArgs = map[string]string{}
	for _, a := range f.args {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			if v, ok = os.LookupEnv(k); !ok {
				continue // as docker build does
			}
		}
		o.BuildArgs[k] = v
	}
	if o.Labels, err = pairs("label", f.labels); err != nil {
		return err
	}
	if o.Contexts, err = pairs("build-context", f.contexts); err != nil {
		return err
	}
	if o.Mirrors, err = pairs("mirror", f.mirrors); err != nil {
		return err
	}
	if f.shmSize != "" {
		if o.ShmSize, err = units.RAMInBytes(f.shmSize); err != nil {
			return fmt.Errorf("--shm-size %s: %w", f.shmSize, err)
		}
	}
	for i, h := range o.AddHosts {
		// docker build separates with a colon, frontends with =.
		o.AddHosts[i] = strings.Replace(h, ":", "=", 1)
	}
	if o.Secrets, err = secrets(f.secrets); err != nil {
		return err
	}
	if o.Agents, err = agents(f.agents); err != nil {
		return err
	}
	for _, v := range f.outputs {
		out, err := build.ParseOutput(v)
		if err != nil {
			return err
		}
		o.Outputs = append(o.Outputs, out)
	}
	if f.explain {
		o.Explain = os.Stdout
	}
	if f.push {
		o.Outputs = append(o.Outputs, build.Output{Type: "image", Push: true})
	}
	return nil
}

// pairs splits values of the form KEY=VALUE.
func pairs(flag string, list []string) (map[string]string, error) {
	m := map[string]string{}
	for _, s := range list {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("--%s %s is not KEY=VALUE", flag, s)
		}
		m[k] = v
	}
	return m, nil
}

// secrets reads the secrets that flags name: of a file, or of a variable.
func secrets(list []string) (map[string][]byte, error) {
	m := map[string][]byte{}
	for _, s := range list {
		var id, src, env string
		for field := range strings.SplitSeq(s, ",") {
			k, v, _ := strings.Cut(field, "=")
			switch k {
			case "id":
				id = v
			case "src", "source":
				src = v
			case "env":
				env = v
			case "type":
			default:
				return nil, fmt.Errorf("--secret %s: unknown field %q, there are id, src and env", s, k)
			}
		}
		if id == "" {
			return nil, fmt.Errorf("--secret %s has no id", s)
		}
		if src == "" {
			if v, ok := os.LookupEnv(cmp.Or(env, id)); ok {
				m[id] = []byte(v)
				continue
			}
			src = id
		}
		data, err := os.ReadFile(src)
		if err != nil {
			return nil, fmt.Errorf("--secret %s: %w", s, err)
		}
		m[id] = data
	}
	return m, nil
}

// agents finds the sockets of the agents that flags name.
func agents(list []string) (map[string]string, error) {
	m := map[string]string{}
	for _, s := range list {
		id, socket, ok := strings.Cut(s, "=")
		if !ok {
			if socket = os.Getenv("SSH_AUTH_SOCK"); socket == "" {
				return nil, fmt.Errorf("--ssh %s: SSH_AUTH_SOCK is not set", s)
			}
		}
		m[id] = socket
	}
	return m, nil
}
