package frontend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/dialect"
	"slipway/dockerfile2llb"
	"slipway/eject"
	"slipway/instructions"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// ejectRequest describes the subrequest that prints a plain Dockerfile.
func ejectRequest() subrequests.Request {
	return subrequests.Request{
		Name:        "frontend.eject",
		Version:     "1.0.0",
		Type:        subrequests.TypeRPC,
		Description: "Print a Dockerfile without extensions of Slipway",
		Metadata:    []subrequests.Named{{Name: "result.json"}, {Name: "result.txt"}},
	}
}

// ejectAnswer is the JSON form of the answer to the subrequest eject.
type ejectAnswer struct {
	Dockerfile string            `json:"dockerfile"`
	Flags      []string          `json:"flags"`
	Dropped    []eject.Dropped   `json:"dropped"`
	Impossible []ejectImpossible `json:"impossible"`
}

// ejectImpossible is an instruction without an equivalent in plain Dockerfiles.
type ejectImpossible struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// eject answers the subrequest eject with the plain Dockerfile that has the same operations.
func (b *build) eject(ctx context.Context) (*client.Result, error) {
	if err := b.parseBuild(ctx); err != nil {
		return nil, err
	}
	targets := []*ocispecs.Platform{nil}
	if len(b.options.Platforms) > 0 {
		targets = targets[:0]
	}
	for i := range b.options.Platforms {
		targets = append(targets, &b.options.Platforms[i])
	}
	var out *eject.Result
	for _, platform := range targets {
		res, list, err := b.ejectPlatform(ctx, platform)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			return ejectResult(nil, list)
		}
		if out != nil && !bytes.Equal(out.Dockerfile, res.Dockerfile) {
			return nil, errors.New("eject is for one platform here: --platform")
		}
		out = res
	}
	return ejectResult(out, nil)
}

// ejectPlatform prints the plain Dockerfile for one platform, and checks that its plan has the
// same operations.
func (b *build) ejectPlatform(ctx context.Context, platform *ocispecs.Platform) (*eject.Result, diag.List, error) {
	opt := b.options.Plan
	opt.Platform = platform
	opt.BuildPlatforms = b.buildPlatforms()
	all := b.planOptions(opt, b.inputs)
	all.AllStages, all.Triggers = true, true
	p, err := plan.Build(ctx, b.dockerfile, all)
	if err != nil {
		return nil, nil, err
	}
	res, list := eject.Render(p)
	if len(list) > 0 {
		return nil, list, nil
	}
	want, err := b.operations(ctx, b.dockerfile, b.planOptions(opt, b.inputs))
	if err != nil {
		return nil, nil, err // a build of the Dockerfile fails, too
	}
	if err := b.checkEjected(ctx, opt, want, res.Dockerfile); err != nil {
		return nil, nil, fmt.Errorf("internal error: the plain Dockerfile is not equivalent (please report this): %w", err)
	}
	return res, nil, nil
}

// checkEjected returns an error if the printed file has other operations or another image config
// than the Dockerfile, whose operations are want.
func (b *build) checkEjected(ctx context.Context, opt plan.Options, want operations, content []byte) error {
	file, diags := parser.Parse(source.NewFile("ejected", content))
	if err := diags.Err(); err != nil {
		return err
	}
	d, diags := instructions.Parse(file)
	if err := diags.Err(); err != nil {
		return err
	}
	plain := b.planOptions(opt, b.inputs)
	plain.Rules = dialect.Options{}
	plain.BuildArgs = withoutConstants(opt.BuildArgs, b.dockerfile)
	got, err := b.operations(ctx, d, plain)
	if err != nil {
		return err
	}
	switch {
	case !slices.EqualFunc(want.ops, got.ops, bytes.Equal):
		return fmt.Errorf("%d operations differ from %d operations", len(got.ops), len(want.ops))
	case !bytes.Equal(want.config, got.config):
		return errors.New("the image config differs")
	}
	return nil
}

// withoutConstants returns the build arguments without those that a LET of the file hides.
func withoutConstants(args map[string]string, d *instructions.Dockerfile) map[string]string {
	args = maps.Clone(args)
	hide := func(c instructions.Command) {
		arg, ok := c.(*instructions.Arg)
		if !ok || !arg.Let {
			return
		}
		for i := range arg.Args {
			if arg.Args[i].Default != nil {
				delete(args, arg.Args[i].Key)
			}
		}
	}
	for _, c := range d.Args {
		hide(c)
	}
	for _, st := range d.Stages {
		for _, c := range st.Commands {
			hide(c)
		}
	}
	return args
}

// operations are the encoded operations and the image config of a build.
type operations struct {
	ops    [][]byte
	config []byte
}

// operations converts a Dockerfile.
func (b *build) operations(ctx context.Context, d *instructions.Dockerfile, opt plan.Options) (operations, error) {
	p, err := plan.Build(ctx, d, opt)
	if err != nil {
		return operations{}, err
	}
	res, err := dockerfile2llb.Emit(ctx, p, dockerfile2llb.Options{Inputs: b.inputs, Caps: &b.opts.LLBCaps})
	if err != nil {
		return operations{}, err
	}
	def, err := res.State.Marshal(ctx)
	if err != nil {
		return operations{}, &marshalError{err}
	}
	config, err := json.Marshal(res.Image)
	return operations{def.Def, config}, err
}

// ejectResult returns the answer to the subrequest eject: a Dockerfile, or a list of instructions
// that no plain Dockerfile can express.
func ejectResult(r *eject.Result, impossible diag.List) (*client.Result, error) {
	answer := ejectAnswer{Flags: []string{}, Dropped: []eject.Dropped{}, Impossible: []ejectImpossible{}}
	text, status := eject.Text(impossible), "0"
	if r != nil {
		text = string(r.Dockerfile)
		answer.Dockerfile = text
		answer.Dropped = append(answer.Dropped, r.Dropped...)
	}
	for _, d := range impossible {
		status = "1"
		answer.Impossible = append(answer.Impossible, ejectImpossible{d.Range.File.Name, d.Range.Position().Line, d.Message})
	}
	dt, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return nil, err
	}
	res := client.NewResult()
	res.AddMeta("result.json", dt)
	res.AddMeta("result.txt", []byte(text))
	res.AddMeta("result.statuscode", []byte(status))
	res.AddMeta("version", []byte(ejectRequest().Version))
	return res, nil
}
