// Package images stores named images in the state directory.
//
// Manifests, configs and layers are blobs in the content store. For each name, a file
// lists the blobs of its image. Several processes can therefore name images concurrently,
// and pruning knows the blobs of an image even if its manifest is damaged.
package images
