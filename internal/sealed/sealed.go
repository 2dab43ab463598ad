// Package sealed stores values as JSON after a line with the digest of the JSON. Reading a
// damaged file therefore returns an error, even if the file's name does not contain its digest.
package sealed

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/opencontainers/go-digest"
)

// Marshal returns the JSON encoding of v, after a line with the digest of this encoding.
func Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return append([]byte(digest.FromBytes(data)+"\n"), data...), err
}

// Unmarshal decodes data from [Marshal] into v. It returns an error if data does not match its
// digest.
func Unmarshal(data []byte, v any) error {
	sum, content, ok := bytes.Cut(data, []byte("\n"))
	if !ok || digest.Digest(sum) != digest.FromBytes(content) {
		return errors.New("the file is damaged")
	}
	return json.Unmarshal(content, v)
}
