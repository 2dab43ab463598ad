package llbsource

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil/gitobject"
	"github.com/moby/buildkit/util/gitutil/gitsign"
	"github.com/moby/buildkit/util/pgpsign"

	"slipway/solver/tree"
)

// signaturePolicy configures which signature a git source must have.
type signaturePolicy struct {
	pubKey           []byte // armored PGP key, or an SSH key in the format of authorized_keys
	rejectExpired    bool   // reject signatures of keys that have expired since
	requireSignedTag bool   // reject commits, and tags without a signature
	ignoreSignedTag  bool   // check the commit even if its tag has a valid signature
}

// parseSignaturePolicy returns the policy in the attributes of a git source. If they contain none,
// it returns nil.
func parseSignaturePolicy(attrs map[string]string) *signaturePolicy {
	found := false
	value := func(key string) string {
		v, ok := attrs[key]
		found = found || ok
		return v
	}
	p := &signaturePolicy{
		pubKey:           []byte(value(pb.AttrGitSignatureVerifyPubKey)),
		rejectExpired:    value(pb.AttrGitSignatureVerifyRejectExpired) == "true",
		requireSignedTag: value(pb.AttrGitSignatureVerifyRequireSignedTag) == "true",
		ignoreSignedTag:  value(pb.AttrGitSignatureVerifyIgnoreSignedTag) == "true",
	}
	if !found {
		return nil
	}
	return p
}

// verify returns an error unless the tag or the commit of the source has the signature that its
// attributes require. It fetches the repository to read the signature.
func (g *Git) verify(ctx context.Context) error {
	p := g.o.signature
	if p == nil {
		return nil
	}
	c, err := g.checkout(ctx)
	if err != nil {
		return err
	}
	var tagErr error
	if !p.ignoreSignedTag && len(c.tagObject) > 0 {
		if tagErr = p.check(c.tagObject, g.object); tagErr == nil {
			return nil
		}
		tagErr = fmt.Errorf("tag %s: %w", g.object, tagErr)
	}
	if p.requireSignedTag {
		if tagErr != nil {
			return tagErr
		}
		return errors.New("signed tag required but no signed tag found")
	}
	if err := p.check(c.commitObject, c.commit); err != nil {
		return fmt.Errorf("commit %s: %w", c.commit, err)
	}
	return nil
}

// check returns an error unless the raw git object has the given hash and a valid signature.
func (p *signaturePolicy) check(raw []byte, hash string) error {
	obj, err := gitobject.Parse(raw)
	if err != nil {
		return err
	}
	if err := obj.VerifyChecksum(hash); err != nil {
		return err
	}
	return gitsign.VerifySignature(obj, p.pubKey, &pgpsign.VerifyPolicy{RejectExpiredKeys: p.rejectExpired})
}

// verifyDownload returns an error if the attributes of an HTTP source contain a signature that is
// not valid for the content b.
func (s *Sources) verifyDownload(op *pb.SourceOp, b tree.Blob) error {
	key, signature := op.Attrs[pb.AttrHTTPSignatureVerifyPubKey], op.Attrs[pb.AttrHTTPSignatureVerify]
	switch {
	case key == "" && signature == "":
		return nil
	case key == "" || signature == "":
		return errors.New("http signature verification requires both pubkey and signature")
	}
	f, err := s.Store.Open(b)
	if err != nil {
		return err
	}
	err = pgpsign.VerifyArmoredDetachedSignature(f, []byte(signature), []byte(key), nil)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("failed to verify pgp signature: %w", err)
	}
	return nil
}
