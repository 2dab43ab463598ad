package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"slipway/integration/frontendimage"
	"slipway/integration/programimage"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

const (
	warmups    = 2 // builds of each image that fill the cache and are not counted
	dockerfile = `FROM busybox AS tools
RUN echo tools > /tools
FROM busybox AS build
WORKDIR /src
COPY . .
RUN cat main.c > /out
FROM scratch
COPY --from=tools /tools /
COPY --from=build /out /
`
)

func main() {
	runs := flag.Int("runs", 20, "`number` of measured builds with each image")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *runs)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

// image is a frontend image that is measured, with the durations of the builds that use it.
type image struct {
	name  string
	make  func(context.Context) ([]programimage.Binary, error)
	times []time.Duration
}

func run(ctx context.Context, runs int) (err error) {
	if runs < 1 {
		return errors.New("-runs must be at least 1")
	}
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	platforms := []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}}
	compile := func(name string) func(context.Context) ([]programimage.Binary, error) {
		return func(ctx context.Context) ([]programimage.Binary, error) {
			return programimage.Program{Root: root, Package: "integration/latency/" + name}.Compile(ctx, platforms)
		}
	}
	images := []*image{
		{name: "scratch", make: compile("scratch")},
		{name: "known", make: compile("known")},
		{name: "ours", make: func(ctx context.Context) ([]programimage.Binary, error) {
			return frontendimage.Compile(ctx, root, platforms)
		}},
		{name: "upstream", make: func(ctx context.Context) ([]programimage.Binary, error) {
			return frontendimage.Upstream(ctx, os.Stderr)
		}},
	}
	r, err := rig.Start(ctx, rig.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b := builder{rig: r}
	if err := b.prepare(ctx, images); err != nil {
		return err
	}
	for i := range warmups + runs {
		for _, img := range images {
			start := time.Now()
			if err := b.build(ctx, img.name); err != nil {
				return fmt.Errorf("%s: %w\n%s", img.name, err, r.DaemonLog(2000))
			}
			if i >= warmups {
				img.times = append(img.times, time.Since(start))
			}
		}
	}
	return report(os.Stdout, images)
}

// builder builds one directory repeatedly with the BuildKit daemon of package rig.
type builder struct {
	rig *rig.Rig
	dir fsutil.FS
}

func (b *builder) prepare(ctx context.Context, images []*image) error {
	for _, img := range images {
		binaries, err := img.make(ctx)
		if err != nil {
			return err
		}
		index, err := frontendimage.Index(binaries)
		if err != nil {
			return err
		}
		if err := b.rig.PushImage(ctx, img.name+":latest", index); err != nil {
			return err
		}
	}
	dir, err := b.rig.TempDir("latency")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"Dockerfile": dockerfile, "main.c": "int main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	b.dir, err = fsutil.NewFS(dir)
	return err
}

// build builds the directory with a frontend image and exports nothing.
func (b *builder) build(ctx context.Context, image string) error {
	status := make(chan *client.SolveStatus)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := b.rig.Client.Solve(ctx, nil, client.SolveOpt{
			Frontend:      "gateway.v0",
			FrontendAttrs: map[string]string{"source": rig.Registry + "/" + image + ":latest"},
			LocalMounts:   map[string]fsutil.FS{"context": b.dir, "dockerfile": b.dir},
		}, status)
		return err
	})
	g.Go(func() error {
		for range status { // discard progress
		}
		return nil
	})
	return g.Wait()
}

// report prints the fastest and the median duration for each image, absolute and relative to
// the first image. On a busy machine, the fastest duration is more meaningful than the
// median.
func report(w io.Writer, images []*image) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "image\tbuilds\tfastest\tto %[1]s\tmedian\tto %[1]s\tslowest\t\n", images[0].name)
	var first []time.Duration
	for _, img := range images {
		t := slices.Sorted(slices.Values(img.times))
		if first == nil {
			first = t
		}
		fmt.Fprintf(tw, "%s\t%d\t%s\t%.2f\t%s\t%.2f\t%s\t\n", img.name, len(t),
			ms(t[0]), ratio(t[0], first[0]), ms(median(t)), ratio(median(t), median(first)), ms(t[len(t)-1]))
	}
	return tw.Flush()
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// median returns the median of the durations in t, which must be sorted.
func median(t []time.Duration) time.Duration { return (t[(len(t)-1)/2] + t[len(t)/2]) / 2 }
