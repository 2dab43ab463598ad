package gateway

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// ResolvedImage is an image whose config a frontend has requested.
type ResolvedImage struct {
	Ref      string // name without the scheme
	Platform *ocispecs.Platform
	Digest   digest.Digest
	Layout   bool // the image comes from an OCI layout
}

// Images returns the images that frontends have resolved so far, in the order of the answers.
func (c *Client) Images() []ResolvedImage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.images)
}

// recordImage adds an image to the result of Images. The parameter id is the identifier of the
// source operation.
func (c *Client) recordImage(id string, p *ocispecs.Platform, d digest.Digest) {
	scheme, ref, _ := strings.Cut(id, "://")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.images = append(c.images, ResolvedImage{Ref: ref, Platform: p, Digest: d, Layout: scheme != "docker-image"})
}
