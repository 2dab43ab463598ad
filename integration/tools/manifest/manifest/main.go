// Command manifest checks a Job of Kubernetes, which it reads from its standard input. Like the API
// server with strict validation, it rejects unknown fields and values of other types.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if data, err = yaml.YAMLToJSONStrict(data); err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(data, &batchv1.Job{})
	return errors.Join(append(unknown, err)...)
}
