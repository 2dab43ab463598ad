package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/buildkit/frontend/gateway/client"

	"slipway/frontend"
	"slipway/solver"
	"slipway/solver/gateway"
	"slipway/solver/llbsource"
	"slipway/solver/runner/script"
	"slipway/solver/tree"
)

// This example tests a frontend without a daemon. The frontend's build function calls a
// gateway in this process, and the test defines the effect of RUN steps. To test another
// frontend, replace frontend.Build with its [client.BuildFunc].
func Example() {
	temp, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(temp)
	dir := filepath.Join(temp, "context")
	dockerfile := "FROM scratch AS build\nCOPY . /src\nRUN make\nFROM scratch\nCOPY --from=build /out/app /\n"
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644)); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	store, err := tree.OpenStore(filepath.Join(temp, "store"))
	if err != nil {
		log.Fatal(err)
	}
	cache := solver.NewMemoryCache()
	sources := &llbsource.Sources{Store: store, Cache: cache, Dirs: map[string]string{"context": dir, "dockerfile": dir}}
	steps := script.New(store, script.Step{Run: "make", Files: map[string]string{"/out/app": "the program"}})
	build := solver.New(ctx, solver.Options{Store: store, Cache: cache, Sources: sources, Runner: steps, Now: time.Now})

	res, err := frontend.Build(ctx, gateway.New(gateway.Options{Build: build, Store: store, Sources: sources}))
	if err != nil {
		log.Fatal(err)
	}
	data, err := res.Ref.ReadFile(ctx, client.ReadRequest{Filename: "app"})
	fmt.Printf("%s %v %q\n", data, err, steps.Commands())
	// Output: the program <nil> ["make"]
}
