package plan

import (
	"cmp"
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
// ONBUILD triggers of these bases. Because triggers may need further stages and images,
// loadBases repeats this until a round finds no new stage.
//
// Upstream: with Options.AllStages, stages that the target does not need have no
// triggers.
func loadBases(ctx context.Context, b *builder) error {
	fresh := b.reach([]*Stage{b.Target})
	if b.opt.AllStages {
		for _, st := range b.readBy(b.explicit()) {
			st.Reachable = true
		}
	}
	if b.opt.AllStages && b.opt.Triggers {
		fresh = append(fresh, b.reach(b.explicit())...)
	}
	for list := b.Stages; ; list = fresh {
		if err := b.loadRound(ctx, list); err != nil {
			return err
		}
		var used []*Stage
		for _, st := range fresh {
			added, err := b.addTriggers(ctx, st)
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

// maxLookups is the maximum number of images and named contexts that are looked up in
// parallel.
const maxLookups = 64

// loadRound looks up, in parallel, the bases of the reachable stages among the given stages. If
// several lookups fail, the result is the error for the first of these stages. The names of all
// bases are checked before the first lookup.
func (b *builder) loadRound(ctx context.Context, list []*Stage) error {
	todo, err := b.unresolvedBases(list)
	if err != nil {
		return err
	}
	var lookups []*Stage // one stage for each base
	firstOf := map[baseKey]*Stage{}
	var copies [][2]*Stage // a stage and an earlier stage with the same base
	for _, st := range todo {
		b.draft(st).loaded = true
		if st.Replaced == nil {
			if st.BaseName == scratch {
				b.startEmpty(st)
				continue
			}
			key := st.baseKey()
			if first := firstOf[key]; first != nil {
				copies = append(copies, [2]*Stage{st, first})
				continue
			}
			firstOf[key] = st
		}
		lookups = append(lookups, st)
	}
	errs := make([]error, len(lookups))
	_ = inorder.Do(ctx, len(lookups), maxLookups, func(ctx context.Context, i int) error {
		errs[i] = b.loadBase(ctx, lookups[i])
		return errs[i]
	}) // errs has all errors
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		defer b.enter(lookups[i].Scope)()
		return withRange(b.draft(lookups[i]).instruction, b.baseError(lookups[i], b.withSuggestion(errs[i])))
	}
	for _, s := range copies {
		b.copyBase(s[0], s[1])
	}
	return nil
}

// startEmpty makes the empty file system, scratch, the base of the stage st.
func (b *builder) startEmpty(st *Stage) {
	b.draft(st).done = st.Syntax == nil
	st.Base = Scratch{}
	st.Image = emptyImage(b.Platform)
	st.Platform = &b.Platform
}

// baseKey identifies a base by name and platform. Stages with the same key share one
// lookup.
type baseKey struct{ name, platform string }

// baseKey returns the name and the platform of the stage's base, as the key under which
// stages share a lookup.
func (st *Stage) baseKey() baseKey {
	key := baseKey{name: st.BaseName}
	if st.Platform != nil {
		key.platform = platforms.FormatAll(*st.Platform)
	}
	return key
}

// copyBase copies the base of the stage src, with its image config and platform, to the
// stage st. Both stages must have the same baseKey, and src must not have been evaluated.
func (b *builder) copyBase(st, src *Stage) {
	b.draft(st).done = st.Syntax == nil
	st.BaseName, st.Base, st.BaseImage = src.BaseName, src.Base, src.BaseImage
	st.Image = cloneImage(&src.Image)
	st.Platform, st.Final.Platform = src.Platform, src.Final.Platform
}

// unresolvedBases parses the base names of the given stages, except for stages whose base has
// already been looked up. It returns the reachable ones of the stages whose names it parsed.
func (b *builder) unresolvedBases(list []*Stage) (todo []*Stage, err error) {
	for _, st := range list {
		d := b.draft(st)
		if _, inFile := st.Base.(*FromStage); inFile || d.loaded {
			continue
		}
		if st.BaseName != scratch || st.Replaced != nil {
			ref, err := reference.ParseNormalizedNamed(st.BaseName)
			if err != nil {
				return nil, withRange(d.instruction, b.baseError(st, fmt.Errorf("failed to parse stage name %q: %w", st.BaseName, err)))
			}
			st.OriginalBase, d.ref = st.BaseName, reference.TagNameOnly(ref)
			st.BaseName = d.ref.String()
			b.countIdleRounds(st)
		}
		if st.Reachable {
			todo = append(todo, st)
		}
	}
	return todo, nil
}

// baseError returns an error about the base of the stage st as a diagnostic, with the
// range of the base's name and a hint. If err is a diagnostic, it is returned unchanged.
func (b *builder) baseError(st *Stage, err error) error {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return err
	}
	return st.Scope.withOmitted(b.HintBase(st, diag.Errorf(b.draft(st).baseName, "%w", err)), cmp.Or(st.OriginalBase, st.BaseName))
}

// countIdleRounds sets idleRounds of the stage st. A round of [loadBases] is idle for a stage
// if no other stage needs the stage in this round. If a stage of the file becomes reachable in
// the current round, all earlier rounds were idle. For an implicit stage that is not reachable,
// idleRounds is one, and the base of the stage is never looked up.
//
// Upstream: each idle round of a stage adds one to the i of "[stage i/n]", the prefix of its
// step names in the progress output. An image in --from that is not needed in its first round is
// never looked up.
func (b *builder) countIdleRounds(st *Stage) {
	d := b.draft(st)
	switch {
	case !st.Reachable && st.Syntax == nil:
		d.idleRounds = 1
		d.loaded, d.done = true, true
		st.Base = &FromImage{Name: st.OriginalBase, Ref: st.BaseName, Platform: b.Platform}
	case st.Reachable && st.Syntax != nil:
		d.idleRounds = b.round
	}
}

// loadBase looks up the base of the stage st: a named context or an image.
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

// contextFor looks up the named context that replaces the image with the given name. p is
// the requested platform, by default the target platform.
func (b *builder) contextFor(ctx context.Context, name string, p *ocispecs.Platform) (NamedContext, error) {
	return b.namedContext(ctx, name, &Stage{Platform: p})
}

// loadReplaced sets the base of a stage to the named context that replaces the whole stage. The
// instructions of such a stage are not evaluated.
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

// loadContext sets the base of a stage to the named context that replaces its base image.
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

// setBaseImage stores the config of the base image in the stage, and a copy of it without
// the creation time as the config of the stage.
func (st *Stage) setBaseImage(img Image) {
	base := cloneImage(&img)
	st.BaseImage = &base
	img.Created = nil
	st.Image = img
}

// loadImage sets the base of a stage to an image. It stores the pinned reference of the
// image as the name of the base.
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
		return &imageError{name: st.OriginalBase, err: err}
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
	st.Base = &FromImage{Name: st.OriginalBase, Ref: st.BaseName, Platform: *platform}
	p := platforms.Normalize(*platform)
	st.Final.Platform = &p
	return nil
}

// imageError is an error from the lookup of an image. It contains the image name, so that
// withSuggestion can suggest a similar name.
type imageError struct {
	name string // the name of the image in the Dockerfile, with variables expanded
	err  error
}

func (e *imageError) Error() string { return e.name + ": " + e.err.Error() }
func (e *imageError) Unwrap() error { return e.err }

// withSuggestion appends a suggestion to an error from the lookup of an image: a stage or
// a well-known image with a similar name.
func (b *builder) withSuggestion(err error) error {
	if image, ok := err.(*imageError); ok { //nolint:errorlint // loadBase returns it unwrapped
		return fmt.Errorf("%w%s", err, didYouMean(image.name, append(b.current.names(), commonImages()...)))
	}
	return err
}

// detectPlatform returns the platform for a build without an explicit target platform. The
// candidates are first the platform target, then the platforms of the builder. The result is
// the first candidate that has the operating system and the architecture of the base image img.
// If no candidate has them, the result is target.
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

// commonImages returns names of well-known images that errors suggest for misspelt names.
//
// Upstream: the names with the registry docker.io lack the slash before the image name, such as
// docker.io/libraryalpine. They are therefore not similar enough to a correct name to be
// suggested for it.
func commonImages() []string {
	var names []string
	for _, n := range []string{"alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"} {
		names = append(names, n, "docker.io/library"+n, n+":latest", "docker.io/library"+n+":latest")
	}
	return names
}
