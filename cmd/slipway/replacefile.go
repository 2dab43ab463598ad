package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"slipway/internal/regularfile"
)

// maxInput is the maximum size in bytes of a Dockerfile on standard input.
const maxInput = 64 << 20

// readAll reads r up to maxInput bytes.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(data) > maxInput {
		err = fmt.Errorf("standard input: is larger than %d MiB", maxInput>>20)
	}
	return data, err
}

// replaceFile replaces the content of a file atomically. It keeps the mode, the owner and, if name
// is a symbolic link, the link. If the content is no longer old, replaceFile returns an error and
// does not write.
func replaceFile(name string, old, data []byte) error {
	path, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	now, err := regularfile.Read(path)
	if err == nil && !bytes.Equal(now, old) {
		err = errors.New("has changed in the meantime (it stays as it is)")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	keepOwner(f, info)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
