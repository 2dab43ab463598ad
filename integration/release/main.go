package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"slipway/integration/toolbox"
)

func main() {
	version := flag.String("version", "", "`VERSION` of the release, such as 1.2.3")
	list := flag.String("targets", "", "comma-separated `LIST` of targets, such as linux/amd64,linux/arm/v7; default: all")
	url := flag.String("url", "", "`URL` from which the archives can be downloaded, for the Homebrew formula")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *version, *list, *url); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log io.Writer, version, list, url string) error {
	targets, err := selectTargets(list)
	if err != nil {
		return err
	}
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	src, err := openSource(ctx, root, version)
	if err != nil {
		return err
	}
	nfpm, err := toolbox.Path(ctx, log, "nfpm")
	if err != nil {
		return err
	}
	r := &release{Source: src, targets: targets, url: url, nfpm: nfpm, log: log}
	return r.write(ctx)
}
