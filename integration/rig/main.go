package rig

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main is the body of a TestMain. It starts a rig with both frontends in its
// registry, passes it to use, runs the tests of m, and stops everything, also
// if the program is interrupted. It does not return.
func Main(m interface{ Run() int }, use func(*Rig)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := runTests(ctx, m, use)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		code = 1
	}
	os.Exit(code)
}

func runTests(ctx context.Context, m interface{ Run() int }, use func(*Rig)) (code int, err error) {
	r, err := Start(ctx, Options{Log: os.Stderr})
	if err != nil {
		return 1, err
	}
	defer func() {
		if errClose := r.Close(); err == nil {
			err = errClose
		}
	}()
	// The tests run on the main goroutine and do not handle signals.
	defer context.AfterFunc(ctx, func() {
		r.Close()
		os.Exit(1)
	})()
	if err := r.PushFrontends(ctx); err != nil {
		return 1, err
	}
	use(r)
	return m.Run(), nil
}
