package lsp

// rangeParams represents the parameters of requests about a part of a document.
type rangeParams struct {
	TextDocument documentID `json:"textDocument"`
	Range        *textRange `json:"range"` // nil for the whole document
}

type selectionParams struct {
	TextDocument documentID `json:"textDocument"`
	Positions    []position `json:"positions"`
}

func (p rangeParams) document() documentID     { return p.TextDocument }
func (p selectionParams) document() documentID { return p.TextDocument }

// foldingRange is a range of lines that an editor can hide.
type foldingRange struct {
	StartLine int    `json:"startLine"`
	EndLine   int    `json:"endLine"`
	Kind      string `json:"kind,omitempty"`
}

// selectionRange is a range around a position, with the next larger one.
type selectionRange struct {
	Range  textRange       `json:"range"`
	Parent *selectionRange `json:"parent,omitempty"`
}

type semanticTokensOptions struct {
	Legend tokenLegend `json:"legend"`
	Range  bool        `json:"range"`
	Full   bool        `json:"full"`
}

// tokenLegend lists the names of the types and modifiers of tokens. Tokens contain their indexes.
type tokenLegend struct {
	Types     []string `json:"tokenTypes"`
	Modifiers []string `json:"tokenModifiers"`
}

// semanticTokens contains five numbers for each token: the distance of its line from the line of the
// previous token, the distance of its start in the same line, its length, its type and its modifiers.
type semanticTokens struct {
	Data []int `json:"data"`
}

type documentLinkOptions struct {
	Resolve bool `json:"resolveProvider"`
}

type documentLink struct {
	Range   textRange `json:"range"`
	Target  string    `json:"target"`
	Tooltip string    `json:"tooltip,omitempty"`
}

type inlayHint struct {
	Position    position `json:"position"`
	Label       string   `json:"label"`
	PaddingLeft bool     `json:"paddingLeft,omitempty"`
	Tooltip     *markup  `json:"tooltip,omitempty"`
}

type onTypeOptions struct {
	First string `json:"firstTriggerCharacter"`
}

type onTypeParams struct {
	positionParams
	Options indentOptions `json:"options"`
}

type linkedRanges struct {
	Ranges []textRange `json:"ranges"`
}
