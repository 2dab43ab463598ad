package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/containerd/platforms"
	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"slipway/builder"
	"slipway/builder/state"
	"slipway/diag"
)

// imageFlags holds the flags of slipway image and its subcommands.
type imageFlags struct {
	state    string
	quiet    bool
	output   string
	format   string
	insecure bool
}

func imageCommand() *cobra.Command {
	f := &imageFlags{}
	cmd := &cobra.Command{
		Use: "image", Short: "List, remove, save and push stored images",
		Long: `List, remove, save and push the images that slipway build -t NAME stored in
the state directory. Builds use these images before they ask a registry.`,
	}
	cmd.PersistentFlags().StringVar(&f.state, "state", "", "`DIRECTORY` of the build cache and stored images (default slipway in the user's cache directory)")
	_ = cmd.MarkPersistentFlagDirname("state")
	ls := f.command("ls", "List images", nameCount{0, 0}, f.list)
	ls.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "print names only")
	rm := f.command("rm NAME...", "Remove images, and the data that nothing else needs", nameCount{1, -1},
		func(ctx context.Context, x *builder.ImageStore, args []string) error { return x.Remove(ctx, args) })
	save := f.command("save [flags] NAME...", "Write images to an archive for docker load", nameCount{1, -1}, f.save)
	save.Flags().StringVarP(&f.output, "output", "o", "-", "`FILE` to write, or - for standard output")
	save.Flags().StringVar(&f.format, "format", "docker", "format of the archive: docker or oci")
	_ = save.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"docker", "oci"}, cobra.ShellCompDirectiveNoFileComp))
	push := f.command("push [flags] NAME [NEWNAME]", "Push an image to a registry, under NEWNAME if given", nameCount{1, 2}, f.push)
	push.Flags().BoolVar(&f.insecure, "insecure", false, "allow HTTP, and TLS with an invalid certificate")
	push.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "print only the digest")
	tag := f.command("tag NAME NEWNAME", "Give an image another name", nameCount{2, 2},
		func(ctx context.Context, x *builder.ImageStore, args []string) error {
			return x.Tag(ctx, args[0], args[1])
		})
	inspect := f.command("inspect NAME...", "Print manifests and configs of images as JSON", nameCount{1, -1}, inspectImages)
	cmd.AddCommand(ls, rm, save, push, tag, inspect)
	return cmd
}

// nameCount is the number of image names that a subcommand of slipway image accepts: at
// least min and at most max. If max is -1, the number is unlimited.
type nameCount struct{ min, max int }

// command returns a subcommand of slipway image. The subcommand checks the number of names,
// opens the image store and calls the function run.
func (f *imageFlags) command(use, short string, names nameCount, run func(context.Context, *builder.ImageStore, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			switch n := len(args); {
			case names.max == 0:
				return noArgs(cmd, args)
			case n < names.min || names.max >= 0 && n > names.max:
				return usageError{fmt.Errorf("wrong number of names: %d (usage: slipway image %s)", n, use)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := f.open()
			if err != nil {
				return err
			}
			return run(cmd.Context(), x, args)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if names.max >= 0 && len(args) >= names.max {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return f.names(), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func (f *imageFlags) open() (*builder.ImageStore, error) {
	dir := f.state
	if dir == "" {
		var err error
		if dir, err = state.Default(); err != nil {
			return nil, err
		}
	}
	return builder.OpenImages(dir, time.Now)
}

// names returns the names of the stored images as shell completions.
func (f *imageFlags) names() (names []string) {
	x, err := f.open()
	if err != nil {
		return nil
	}
	list, _ := x.List() // after an error, there are fewer completions
	for _, img := range list {
		names = append(names, builder.FamiliarName(img.Name))
	}
	return names
}

// list prints the stored images as a table.
func (f *imageFlags) list(_ context.Context, x *builder.ImageStore, _ []string) error {
	list, err := x.List()
	t := tabwriter.NewWriter(textTo(os.Stdout), 0, 0, 2, ' ', 0)
	if !f.quiet {
		fmt.Fprintln(t, "NAME\tDIGEST\tPLATFORMS\tCREATED\tSIZE")
	}
	for _, img := range list {
		name := diag.Line(builder.FamiliarName(img.Name))
		if f.quiet {
			fmt.Fprintln(t, name)
			continue
		}
		var names []string
		for _, p := range img.Platforms {
			names = append(names, platforms.FormatAll(p))
		}
		fmt.Fprintf(t, "%s\t%.12s\t%s\t%s\t%s\n", name, img.Root.Digest.Encoded(), diag.Line(strings.Join(names, ",")),
			img.Created.Local().Format(time.DateTime), units.HumanSize(float64(img.Size())))
	}
	return errors.Join(t.Flush(), err)
}

func (f *imageFlags) save(ctx context.Context, x *builder.ImageStore, args []string) error {
	if f.output == "-" && isTerminal(os.Stdout) {
		return usageError{errors.New("an archive does not go to a terminal (use --output FILE, or redirect standard output)")}
	}
	return x.Save(ctx, args, f.output, f.format)
}

// push pushes an image, shows progress and prints the digest of the manifest or index.
func (f *imageFlags) push(ctx context.Context, x *builder.ImageStore, args []string) error {
	mode := progressui.AutoMode
	if f.quiet {
		mode = progressui.QuietMode
	}
	var pushed digest.Digest
	opt := builder.PushOptions{Name: args[0], As: strings.Join(args[1:], ""), Insecure: f.insecure}
	_, err := show(ctx, string(mode), func(send func(*client.SolveStatus)) (err error) {
		opt.Status = send
		pushed, err = x.Push(ctx, opt)
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Println(pushed)
	return err
}

func inspectImages(ctx context.Context, x *builder.ImageStore, args []string) error {
	var list []*builder.ImageDetails
	for _, name := range args {
		d, err := x.Inspect(ctx, name)
		if err != nil {
			return err
		}
		list = append(list, d)
	}
	e := json.NewEncoder(textTo(os.Stdout))
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(list)
}
