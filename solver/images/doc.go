// Package images stores named images in the state directory.
//
// Manifests, configs and layers are blobs of the store. A name is a file that
// lists them, so that several processes can name images concurrently, and what
// an image holds is known even if one of its blobs is damaged.
package images
