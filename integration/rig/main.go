package rig

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main implements TestMain. It starts a rig, pushes both frontend images, calls setUp with the
// rig, runs the tests and closes the rig. A signal closes the rig, too. Main exits the process
// and does not return.
func Main(m interface{ Run() int }, setUp func(*Rig)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := runTests(ctx, m, setUp)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		code = 1
	}
	os.Exit(code)
}

func runTests(ctx context.Context, m interface{ Run() int }, setUp func(*Rig)) (code int, err error) {
	r, err := Start(ctx, Options{Log: os.Stderr, InMemory: true})
	if err != nil {
		return 1, err
	}
	defer func() {
		if errClose := r.Close(); err == nil {
			err = errClose
		}
	}()
	// Close the rig from another goroutine: m.Run does not handle signals.
	defer context.AfterFunc(ctx, func() {
		r.Close()
		os.Exit(1)
	})()
	if err := r.PushFrontends(ctx); err != nil {
		return 1, err
	}
	setUp(r)
	return m.Run(), nil
}
