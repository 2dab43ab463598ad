package solver

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/opencontainers/go-digest"
)

// Seal writes a value as JSON behind its digest, so that [Unseal] sees any
// damage. Files that only have a name of their own are kept so.
func Seal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return append([]byte(digest.FromBytes(data)+"\n"), data...), err
}

// Unseal reads what [Seal] wrote.
func Unseal(sealed []byte, v any) error {
	sum, data, ok := bytes.Cut(sealed, []byte("\n"))
	if !ok || digest.Digest(sum) != digest.FromBytes(data) {
		return errors.New("the file is damaged")
	}
	return json.Unmarshal(data, v)
}
