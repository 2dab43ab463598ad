// Package sealed stores values as JSON with a digest in front of it, so that damage
// to a file shows when it is read. It serves files that are not named by their
// content.
package sealed

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/opencontainers/go-digest"
)

// Marshal returns v as JSON, sealed with its digest.
func Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return append([]byte(digest.FromBytes(data)+"\n"), data...), err
}

// Unmarshal stores the value of sealed data in v. It returns an error if the data
// is not as [Marshal] made it.
func Unmarshal(data []byte, v any) error {
	sum, content, ok := bytes.Cut(data, []byte("\n"))
	if !ok || digest.Digest(sum) != digest.FromBytes(content) {
		return errors.New("the file is damaged")
	}
	return json.Unmarshal(content, v)
}
