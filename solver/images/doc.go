// Package images stores named images in the state directory.
//
// Manifests, configs and layers are blobs of the store. Each name is a file that lists
// these blobs. Several processes can therefore name images concurrently, and the blobs of
// an image are known even if one of them is damaged.
package images
