package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	out := flag.String("o", "bin/manual", "`DIRECTORY` to write the site to")
	work := flag.String("work", "bin/manual-work", "`DIRECTORY` for pages and packages")
	flag.Parse()
	if err := run(context.Background(), *work, *out); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

// run makes the site in the directory out. The working directory must be the root of the
// repository. The directory work keeps the packages from npm for the next run.
func run(ctx context.Context, work, out string) error {
	if err := copySite(work); err != nil {
		return err
	}
	if err := install(ctx, work); err != nil {
		return err
	}
	src := filepath.Join(work, "src")
	if err := os.RemoveAll(src); err != nil {
		return err
	}
	pages, err := stage(".")
	if err != nil {
		return err
	}
	for name, text := range pages {
		if err := write(filepath.Join(src, name), text); err != nil {
			return err
		}
	}
	menu, err := sidebar(pages["index.md"])
	if err != nil {
		return err
	}
	if err := write(filepath.Join(work, ".vitepress", "sidebar.json"), menu); err != nil {
		return err
	}
	if err := command(ctx, work, "node", "node_modules/vitepress/bin/vitepress.js", "build"); err != nil {
		return err
	}
	return replaceDir(filepath.Join(work, "dist"), out)
}

// copySite copies the configuration of the site to the directory work.
func copySite(work string) error {
	const site = "integration/manual/site"
	return filepath.WalkDir(site, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(site, path)
		if err != nil {
			return err
		}
		return write(filepath.Join(work, name), data)
	})
}

// install installs the packages of package-lock.json, unless an earlier run has installed them.
func install(ctx context.Context, work string) error {
	lock, err := os.ReadFile(filepath.Join(work, "package-lock.json"))
	if err != nil {
		return err
	}
	installed := filepath.Join(work, "node_modules", ".installed-lock.json")
	if old, err := os.ReadFile(installed); err == nil && bytes.Equal(old, lock) {
		return nil
	}
	if err := command(ctx, work, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return err
	}
	return write(installed, lock)
}

// command runs a program in the directory dir.
func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// write writes a file and creates its directory.
func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// replaceDir replaces the directory to with the directory from.
func replaceDir(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(to), os.Rename(from, to))
}
