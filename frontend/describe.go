package frontend

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
)

// describe lists the sub-requests in a machine-readable and a human-readable
// form.
func (*build) describe(context.Context) (*client.Result, error) {
	var known []subrequests.Request
	for _, r := range allSubrequests() {
		known = append(known, r.Request)
	}
	dt, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := subrequests.PrintDescribe(dt, &text); err != nil {
		return nil, err
	}
	res := client.NewResult()
	res.AddMeta("result.json", dt)
	res.AddMeta("result.txt", text.Bytes())
	res.AddMeta("version", []byte(subrequests.SubrequestsDescribeDefinition.Version))
	return res, nil
}
