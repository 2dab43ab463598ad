package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/internal/inorder"
)

// loadBases looks up the bases of all reachable stages in parallel, and then adds the
// ONBUILD triggers of these bases. Triggers may need further stages and images. Each round
// looks up the new ones, until a round finds nothing new.
//
// Upstream: with Options.AllStages, stages that the target does not need have no
// triggers.
func loadBases(ctx context.Context, b *builder) error {
	fresh := b.reach([]*Stage{b.Target})
	if b.opt.AllStages {
		for _, st := range b.Stages {
			st.Reachable = true
		}
	}
	for list := b.Stages; ; list = fresh {
		if err := b.loadRound(ctx, list); err != nil {
			return err
		}
		var used []*Stage
		for _, st := range fresh {
			added, err := b.addTriggers(st)
			if err != nil {
				return err
			}
			used = append(used, added...)
		}
		if len(used) == 0 {
			return nil
		}
		fresh = b.reach(used)
		b.round++
	}
}

// maxLookups is the number of parallel lookups.
const maxLookups = 64

// loadRound looks up the bases of the reachable stages in parallel. If several lookups
// fail, the error of the first stage is returned. An invalid name is an error before any
// lookup.
func (b *builder) loadRound(ctx context.Context, list []*Stage) error {
	todo, err := b.bases(list)
	if err != nil {
		return err
	}
	var own []*Stage // stages that look up their base
	alike := map[baseKey]*Stage{}
	var same [][2]*Stage // stages whose base is that of another one
	for _, st := range todo {
		b.draft(st).loaded = true
		if st.Replaced == nil {
			if st.BaseName == scratch {
				b.startEmpty(st)
				continue
			}
			key := st.baseKey()
			if first := alike[key]; first != nil {
				same = append(same, [2]*Stage{st, first})
				continue
			}
			alike[key] = st
		}
		own = append(own, st)
	}
	errs := make([]error, len(own))
	_ = inorder.Do(ctx, len(own), maxLookups, func(ctx context.Context, i int) error {
		errs[i] = b.loadBase(ctx, own[i])
		return errs[i]
	}) // the error is in errs
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return withRange(b.draft(own[i]).asked, b.baseError(own[i], b.hinted(errs[i])))
	}
	for _, s := range same {
		b.takeBase(s[0], s[1])
	}
	return nil
}

// startEmpty starts a stage from scratch.
func (b *builder) startEmpty(st *Stage) {
	b.draft(st).done = st.Syntax == nil
	st.Base = Scratch{}
	st.Image = emptyImage(b.Platform)
	st.Platform = &b.Platform
}

// baseKey identifies a base. Stages with the same key share one lookup.
type baseKey struct{ name, platform string }

func (st *Stage) baseKey() baseKey {
	key := baseKey{name: st.BaseName}
	if st.Platform != nil {
		key.platform = platforms.FormatAll(*st.Platform)
	}
	return key
}

// takeBase gives a stage the base of another one, which was looked up for the same name
// and platform and has not been evaluated yet.
func (b *builder) takeBase(st, of *Stage) {
	b.draft(st).done = st.Syntax == nil
	st.BaseName, st.Base, st.BaseImage = of.BaseName, of.Base, of.BaseImage
	st.Image = cloneImage(&of.Image)
	st.Platform, st.Final.Platform = of.Platform, of.Final.Platform
}

// bases parses the names of bases that are not loaded, and returns the stages whose base
// must be looked up.
func (b *builder) bases(list []*Stage) (todo []*Stage, err error) {
	for _, st := range list {
		d := b.draft(st)
		if _, inFile := st.Base.(*FromStage); inFile || d.loaded {
			continue
		}
		if st.BaseName != scratch || st.Replaced != nil {
			ref, err := reference.ParseNormalizedNamed(st.BaseName)
			if err != nil {
				return nil, withRange(d.asked, b.baseError(st, fmt.Errorf("failed to parse stage name %q: %w", st.BaseName, err)))
			}
			st.Written, d.ref = st.BaseName, reference.TagNameOnly(ref)
			st.BaseName = d.ref.String()
			b.passOver(st)
		}
		if st.Reachable {
			todo = append(todo, st)
		}
	}
	return todo, nil
}

// baseError gives an error about the base of a stage the range of the base's name, and a
// hint.
func (b *builder) baseError(st *Stage, err error) error {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return err
	}
	return b.HintBase(st, diag.Errorf(b.draft(st).named, "%w", err))
}

// passOver counts the rounds in which the stage was not needed: all rounds before this
// one for a stage that is needed now, and one round for an implicit stage that is not.
//
// Upstream: the pull of a base counts as one more step for each such round, and an image
// of --from that is not needed in its first round is never looked up.
func (b *builder) passOver(st *Stage) {
	d := b.draft(st)
	switch {
	case !st.Reachable && st.Syntax == nil:
		d.passedOver = 1
		d.loaded, d.done = true, true
		st.Base = &FromImage{Name: st.Written, Ref: st.BaseName, Platform: b.Platform}
	case st.Reachable && st.Syntax != nil:
		d.passedOver = b.round
	}
}

func (b *builder) loadBase(ctx context.Context, st *Stage) error {
	b.draft(st).done = st.Syntax == nil // implicit stages have no instructions
	if st.Replaced != nil {
		return b.loadReplaced(ctx, st)
	}
	platform := st.Platform
	if platform == nil {
		platform = &b.Platform
	}
	nc, err := b.contextFor(ctx, st.BaseName, platform)
	if err != nil {
		return err
	}
	if nc != nil {
		return b.loadContext(ctx, st, nc, platform)
	}
	return b.loadImage(ctx, st, platform)
}

func (b *builder) contextFor(ctx context.Context, name string, p *ocispecs.Platform) (NamedContext, error) {
	return b.namedContext(ctx, name, &Stage{Platform: p})
}

// loadReplaced uses a named context in place of the stage, whose instructions do not
// run.
func (b *builder) loadReplaced(ctx context.Context, st *Stage) error {
	res, err := st.Replaced.Load(ctx)
	if err != nil {
		return err
	}
	b.draft(st).done = true
	st.Base = &FromContext{Input: res.Input}
	if res.Config == nil {
		return nil
	}
	img, err := decodeImage(res.Config)
	if err != nil {
		return fmt.Errorf("failed to parse image config: %w", err)
	}
	img.Created = nil
	st.Image = img
	if img.Architecture != "" && img.OS != "" {
		p, runs := img.Platform, platforms.Normalize(img.Platform)
		st.Platform, st.Final.Platform = &p, &runs
	}
	return nil
}

// loadContext uses a named context as the base image.
func (b *builder) loadContext(ctx context.Context, st *Stage, nc NamedContext, platform *ocispecs.Platform) error {
	res, err := nc.Load(ctx)
	if err != nil {
		return err
	}
	img := emptyImage(*platform)
	if res.Config != nil {
		if img, err = decodeImage(res.Config); err != nil {
			return fmt.Errorf("failed to parse image config: %w", err)
		}
	}
	st.setBaseImage(img)
	st.Base = &FromContext{Input: res.Input}
	st.Platform = platform
	p := platforms.Normalize(*platform)
	st.Final.Platform = &p
	return nil
}

// setBaseImage keeps the config of the base, and sets the stage's config to a copy.
func (st *Stage) setBaseImage(img Image) {
	base := cloneImage(&img)
	st.BaseImage = &base
	img.Created = nil
	st.Image = img
}

func (b *builder) loadImage(ctx context.Context, st *Stage, platform *ocispecs.Platform) error {
	prefix := "[internal]"
	if b.opt.MultiPlatform {
		prefix = "[" + platforms.FormatAll(*platform) + " internal]"
	}
	res, err := b.opt.Resolver.Image(ctx, st.BaseName, ImageQuery{
		Platform: platform,
		Mode:     b.opt.ResolveMode,
		LogName:  prefix + " load metadata for " + st.BaseName,
	})
	if err != nil {
		return &imageError{written: st.Written, err: err}
	}
	ref := b.draft(st).ref
	if ref.String() != res.Ref {
		if ref, err = reference.ParseNormalizedNamed(res.Ref); err != nil {
			return fmt.Errorf("failed to parse ref %q: %w", res.Ref, err)
		}
	}
	img, err := decodeImage(res.Config)
	if err != nil {
		return fmt.Errorf("failed to parse image config: %w", err)
	}
	st.setBaseImage(img)
	if st.Platform == nil && b.Implicit {
		platform = detectPlatform(&img, platform, b.Builders)
	}
	if res.Digest != "" {
		if ref, err = reference.WithDigest(ref, res.Digest); err != nil {
			return err
		}
	}
	st.BaseName = ref.String()
	st.Platform = platform
	if !hasLayers(&img) {
		st.Base = Scratch{}
		return nil
	}
	st.Base = &FromImage{Name: st.Written, Ref: st.BaseName, Platform: *platform}
	p := platforms.Normalize(*platform)
	st.Final.Platform = &p
	return nil
}

// imageError is the error of an image lookup.
type imageError struct {
	written string // its name in the file
	err     error
}

func (e *imageError) Error() string { return e.written + ": " + e.err.Error() }
func (e *imageError) Unwrap() error { return e.err }

// hinted adds a suggestion to the error of a lookup whose image name may be misspelt.
func (b *builder) hinted(err error) error {
	if image, ok := err.(*imageError); ok { //nolint:errorlint // it is not wrapped yet
		return fmt.Errorf("%w%s", err, didYouMean(image.written, append(b.names(), commonImages()...)))
	}
	return err
}

// detectPlatform returns the platform of the builder that an image is for, if no platform
// is asked for.
func detectPlatform(img *Image, target *ocispecs.Platform, builders []ocispecs.Platform) *ocispecs.Platform {
	if target.OS == img.OS && target.Architecture == img.Architecture {
		return target
	}
	for i := range builders {
		if builders[i].OS == img.OS && builders[i].Architecture == img.Architecture {
			return &builders[i]
		}
	}
	return target
}

// commonImages returns names of well-known images for suggestions.
//
// Upstream: the names with a registry lack a slash, so they never match.
func commonImages() []string {
	var names []string
	for _, n := range []string{"alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"} {
		names = append(names, n, "docker.io/library"+n, n+":latest", "docker.io/library"+n+":latest")
	}
	return names
}
