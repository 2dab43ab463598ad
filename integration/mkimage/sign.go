package main

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// The format of a signature of cosign: a layer with the signed text, and an annotation of the
// layer with the signature.
const (
	payloadType         = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
)

// readKey returns the signer for a private key that cosign or OpenSSL generated. If file is "", it
// returns nil.
func readKey(file string) (signature.SignerVerifier, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	password := func(bool) ([]byte, error) {
		p, ok := os.LookupEnv("COSIGN_PASSWORD")
		if !ok {
			return nil, errors.New("the key is encrypted (set COSIGN_PASSWORD)")
		}
		return []byte(p), nil
	}
	key, err := cryptoutils.UnmarshalPEMToPrivateKey(data, password)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", file, err)
	}
	s, err := signature.LoadSignerVerifier(key, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", file, err)
	}
	return s, nil
}

// sign pushes a signature of the index at ref as cosign does, in the tag sha256-….sig of the same
// repository. It keeps other signatures, and adds none if the signer has signed the index before.
func sign(s signature.SignerVerifier, ref name.Digest, options []remote.Option) (name.Tag, error) {
	tag := ref.Tag(strings.Replace(ref.DigestStr(), ":", "-", 1) + ".sig")
	img, err := remote.Image(tag, options...)
	var failed *transport.Error
	switch {
	case errors.As(err, &failed) && failed.StatusCode == http.StatusNotFound:
		img = mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	case err != nil:
		return tag, err
	}
	payload, sig, err := signature.SignImage(s, ref, nil)
	if err != nil {
		return tag, err
	}
	if signed, err := hasSigned(s, img, payload); err != nil || signed {
		return tag, err
	}
	img, err = mutate.Append(img, mutate.Addendum{
		Layer:       static.NewLayer(payload, payloadType),
		MediaType:   payloadType,
		Annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sig)},
	})
	if err != nil {
		return tag, err
	}
	return tag, remote.Write(tag, img, options...)
}

// hasSigned reports whether img contains a signature of payload by s.
func hasSigned(s signature.SignerVerifier, img v1.Image, payload []byte) (bool, error) {
	m, err := img.Manifest()
	if err != nil {
		return false, err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(payload))
	if err != nil {
		return false, err
	}
	for _, l := range m.Layers {
		sig, err := base64.StdEncoding.DecodeString(l.Annotations[signatureAnnotation])
		if err != nil || l.Digest != digest {
			continue
		}
		if s.VerifySignature(bytes.NewReader(sig), bytes.NewReader(payload)) == nil {
			return true, nil
		}
	}
	return false, nil
}
