package export

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
)

// LocateFiles adds to each file of an SPDX document in which layer of an image it is, as a comment:
// layerID: DIGEST. It skips a file that has a comment, or that is in no layer. LocateFiles also adds
// itself to the creators of the document. If the document is not an SPDX document, it stays
// unchanged.
//
// See https://spdx.github.io/spdx-spec/v2.3/.
func LocateFiles(document []byte, layers []ImageLayer) ([]byte, error) {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	// Upstream: an invalid document is no error.
	if err := d.Decode(&doc); err != nil || d.More() || doc["spdxVersion"] == nil {
		return document, nil
	}
	files, _ := doc["files"].([]any)
	for _, f := range files {
		if file, ok := f.(map[string]any); ok {
			if err := locateFile(file, layers); err != nil {
				return nil, err
			}
		}
	}
	info, ok := doc["creationInfo"].(map[string]any)
	if !ok {
		info = map[string]any{}
		doc["creationInfo"] = info
	}
	creators, _ := info["creators"].([]any)
	info["creators"] = append(creators, "Tool: slipway")
	return json.Marshal(doc)
}

// locateFile adds the comment to one file of an SPDX document.
func locateFile(file map[string]any, layers []ImageLayer) error {
	name, _ := file["fileName"].(string)
	if comment, _ := file["comment"].(string); name == "" || comment != "" {
		return nil
	}
	name = path.Join("/", name)
	for _, l := range slices.Backward(layers) {
		trees, err := l.Load()
		if err != nil {
			return err
		}
		switch found, err := trees.Contains(name); {
		case err != nil:
			return err
		case found:
			file["comment"] = "layerID: " + l.Descriptor.Digest.String()
			return nil
		}
	}
	return nil
}
