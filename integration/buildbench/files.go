package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

func sources(dir string) error {
	if err := write(dir, "go.mod", "module example\n"); err != nil {
		return err
	}
	for i := range 300 {
		name := fmt.Sprintf("pkg%d/file%d.go", i%20, i)
		if err := write(dir, name, strings.Repeat(fmt.Sprintf("// line of file %d\n", i), 200)); err != nil {
			return err
		}
	}
	return nil
}

func changeSource(dir string, turn int) error {
	return write(dir, "pkg3/file3.go", fmt.Sprintf("package pkg3 // %d\n", turn))
}

func stamp(dir string) error { return write(dir, "stamp", "") }

func changeStamp(dir string, turn int) error {
	return write(dir, "stamp", fmt.Sprintf("turn %d\n", turn))
}

// manyFiles returns a function that creates n small files in 200 directories.
func manyFiles(n int) func(dir string) error {
	return func(dir string) error {
		for i := range n {
			if err := write(dir, fmt.Sprintf("files/%d/%d", i%200, i), fmt.Sprintf("content of file %d\n", i)); err != nil {
				return err
			}
		}
		return stamp(dir)
	}
}

// modules returns a function that creates the files of a Node.js application. Its modules have
// n files in total, and each module has 8 files.
func modules(n int) func(dir string) error {
	return func(dir string) error {
		for i := range n {
			content := strings.Repeat(fmt.Sprintf("exports.f%d = %[1]d;\n", i), 10+i%50)
			if err := write(dir, fmt.Sprintf("modules/p%d/f%d.js", i/8, i%8), content); err != nil {
				return err
			}
		}
		return changeModule(dir, -1)
	}
}

func changeModule(dir string, turn int) error {
	return write(dir, "src/main.js", fmt.Sprintf("console.log(%d);\n", turn))
}

// bigFile returns a function that creates a file of size random bytes. Each byte contains 6
// random bits, so that the file can be compressed to three quarters of its size.
func bigFile(name string, size int) func(dir string) error {
	return func(dir string) error {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		var seed [32]byte
		copy(seed[:], name)
		random := rand.NewChaCha8(seed)
		for left := size; left > 0 && err == nil; {
			block := make([]byte, min(left, 1_000_000))
			left -= len(block)
			_, _ = random.Read(block)
			for i := range block {
				block[i] = ' ' + block[i]&63
			}
			_, err = f.Write(block)
		}
		return errors.Join(err, f.Close())
	}
}

// write writes a file below dir. It creates missing parent directories.
func write(dir, name, content string) error {
	name = filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(content), 0o644)
}

func (c *benchCase) write(dir string) error {
	if err := write(dir, "Dockerfile", c.dockerfile); err != nil {
		return err
	}
	if c.files == nil {
		return nil
	}
	return c.files(dir)
}

func (c *benchCase) turn(dir string, turn int) error {
	if c.change == nil {
		return nil
	}
	return c.change(dir, turn)
}
