package builder

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"

	"slipway/solver/export"
	"slipway/solver/track"
)

// outputs returns the outputs of the build. If the options contain tags but no outputs,
// it returns one output, which stores the image under the tags.
func (o *Options) outputs() []Output {
	if o.Builder == nil && o.Call == "" && len(o.Outputs) == 0 && len(o.Tags) > 0 {
		return []Output{{Type: "image"}}
	}
	return o.Outputs
}

// stores reports whether the output out stores an image in the state directory.
func (o *Options) stores(out Output) bool {
	store, err := strconv.ParseBool(out.Attrs[storeAttr])
	return o.Builder == nil && out.Type == "image" && !out.Push && (store || err != nil)
}

// storeImage stores an image under the given names. If all is false, it stores the image only
// under the given names that already exist. Existing names must always be updated:
// otherwise, a later FROM could use an older image than the image that was last pushed or
// loaded under the name.
func (s *localBuilder) storeImage(ctx context.Context, root *export.Root, names []string, all bool) error {
	if !all {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			_, err := s.Images.Get(name)
			return errors.Is(err, fs.ErrNotExist)
		})
	}
	if err := ctx.Err(); err != nil || len(names) == 0 {
		return err
	}
	for _, name := range names {
		track.Start(ctx, "naming to "+name, 0).Done()
	}
	return s.Images.Put(root, names)
}
