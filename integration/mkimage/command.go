package main

import (
	"bytes"
	"encoding/pem"
	"errors"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"slipway/integration/programimage"
)

// commandSpec returns the specification of the image whose entrypoint is the command slipway. It
// contains what the command needs: certificates of authorities, a user, a directory for temporary
// files, and a home in which every user can write.
func commandSpec() (programimage.Spec, error) {
	certificates, err := certificates()
	return programimage.Spec{
		Path:       "/bin/slipway",
		Source:     "/out/slipway",
		Env:        []string{"HOME=/home"}, // for each user, as a container may run as any
		WorkingDir: "/work",
		Files: []programimage.File{
			{Path: "/etc/group", Mode: 0o644, Data: []byte("root:x:0:\n")},
			{Path: "/etc/passwd", Mode: 0o644, Data: []byte("root:x:0:0:root:/root:/sbin/nologin\n")},
			{Path: "/etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Data: certificates},
			{Path: "/home/", Mode: 0o1777},
			{Path: "/root/", Mode: 0o700},
			{Path: "/tmp/", Mode: 0o1777},
			{Path: "/work/", Mode: 0o755},
		},
	}, err
}

// certificates returns the certificates of the authorities that Mozilla trusts, in PEM. A root
// that Mozilla trusts only under a condition is left out, because PEM cannot express conditions.
func certificates() ([]byte, error) {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	if b.Len() == 0 {
		return nil, errors.New("the bundle contains no certificates")
	}
	return b.Bytes(), nil
}
