package report_test

import (
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestSARIFSchema validates a report against the schema of SARIF 2.1.0 that OASIS publishes,
// testdata/sarif-schema-2.1.0.json.
func TestSARIFSchema(t *testing.T) {
	read := func(name string) any {
		t.Helper()
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		v, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const url = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(url, read("testdata/sarif-schema-2.1.0.json")); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(url)
	if err != nil {
		t.Fatal(err)
	}
	log := read("testdata/sarif").(map[string]any)
	if err := schema.Validate(log); err != nil {
		t.Error(err)
	}
	log["runs"].([]any)[0].(map[string]any)["colunmKind"] = "utf16CodeUnits"
	if err := schema.Validate(log); err == nil {
		t.Error("the schema accepts a key that SARIF does not have")
	}
}
