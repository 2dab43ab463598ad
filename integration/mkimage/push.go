package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/sigstore/sigstore/pkg/signature"
)

// push pushes an index to a repository.
type push struct {
	repository string
	tags       []string // the last one is the complete version
	replace    bool     // whether the complete version may be replaced
	signer     signature.SignerVerifier
}

// run pushes index, signs it, and then tags it, so that no tag refers to an index without a
// signature. It prints a reference for each tag, with the digest to pin.
func (p push) run(ctx context.Context, w io.Writer, index v1.ImageIndex) error {
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	repository, err := name.NewRepository(p.repository)
	if err != nil {
		return fmt.Errorf("-push %s: %w", p.repository, err)
	}
	var tags []name.Tag
	for _, t := range p.tags {
		tag, err := name.NewTag(p.repository + ":" + t)
		if err != nil {
			return fmt.Errorf("tag %q: %w", t, err)
		}
		tags = append(tags, tag)
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if err := p.checkTag(tags[len(tags)-1], digest, options); err != nil {
		return err
	}
	pinned := repository.Digest(digest.String())
	if err := remote.WriteIndex(pinned, index, options...); err != nil {
		return fmt.Errorf("push %s: %w", pinned, err)
	}
	if p.signer != nil {
		at, err := sign(p.signer, pinned, options)
		if err != nil {
			return fmt.Errorf("sign %s: %w", pinned, err)
		}
		fmt.Fprintf(w, "signature: %s\n", at)
	}
	for _, tag := range tags {
		if err := remote.Tag(tag, index, options...); err != nil {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
		fmt.Fprintf(w, "%s@%s\n", tag, digest)
	}
	return nil
}

// checkTag returns an error if the tag of the complete version exists and refers to another
// index. The other tags move with each version.
func (p push) checkTag(tag name.Tag, digest v1.Hash, options []remote.Option) error {
	if p.replace {
		return nil
	}
	d, err := remote.Head(tag, options...)
	var failed *transport.Error
	switch {
	case errors.As(err, &failed) && failed.StatusCode == http.StatusNotFound:
		return nil
	case err != nil:
		return fmt.Errorf("tag %s: %w", tag, err)
	case d.Digest != digest:
		return fmt.Errorf("tag %s: exists with another digest, %s (use make push REPLACE=1, or set TAGS)", tag, d.Digest)
	}
	return nil
}
