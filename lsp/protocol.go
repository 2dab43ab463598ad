package lsp

import "encoding/json"

// Error codes of the protocol.
const (
	codeParseError      = -32700
	codeInvalidRequest  = -32600
	codeMethodNotFound  = -32601
	codeInvalidParams   = -32602
	codeInternalError   = -32603
	codeNotInitialized  = -32002
	codeCancelled       = -32800
	codeContentModified = -32801
	codeRequestFailed   = -32803
)

// position is a position in a document. Both numbers start at 0. The unit of character depends on
// the negotiated encoding.
type position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

// textRange is a range of positions whose end is exclusive.
type textRange struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type initializeParams struct {
	ClientInfo struct {
		Name string `json:"name"`
	} `json:"clientInfo"`
	Capabilities struct {
		General struct {
			PositionEncodings []string `json:"positionEncodings"`
		} `json:"general"`
		Workspace struct {
			WorkspaceEdit workspaceEditSupport `json:"workspaceEdit"`
			Diagnostics   struct {
				Refresh bool `json:"refreshSupport"`
			} `json:"diagnostics"`
		} `json:"workspace"`
		TextDocument struct {
			Diagnostic         json.RawMessage `json:"diagnostic"`
			PublishDiagnostics struct {
				RelatedInformation bool `json:"relatedInformation"`
			} `json:"publishDiagnostics"`
			DocumentSymbol struct {
				Hierarchical bool `json:"hierarchicalDocumentSymbolSupport"`
			} `json:"documentSymbol"`
		} `json:"textDocument"`
	} `json:"capabilities"`
}

type initializeResult struct {
	Capabilities serverCapabilities `json:"capabilities"`
	ServerInfo   serverInfo         `json:"serverInfo"`
}

type serverInfo struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type serverCapabilities struct {
	PositionEncoding                string                 `json:"positionEncoding"`
	TextDocumentSync                syncOptions            `json:"textDocumentSync"`
	DocumentFormattingProvider      bool                   `json:"documentFormattingProvider"`
	DocumentRangeFormattingProvider bool                   `json:"documentRangeFormattingProvider"`
	CodeActionProvider              *codeActionOptions     `json:"codeActionProvider"`
	DefinitionProvider              bool                   `json:"definitionProvider"`
	ReferencesProvider              bool                   `json:"referencesProvider"`
	DocumentHighlightProvider       bool                   `json:"documentHighlightProvider"`
	RenameProvider                  *renameOptions         `json:"renameProvider"`
	HoverProvider                   bool                   `json:"hoverProvider"`
	DocumentSymbolProvider          bool                   `json:"documentSymbolProvider"`
	CompletionProvider              *completionOptions     `json:"completionProvider"`
	FoldingRangeProvider            bool                   `json:"foldingRangeProvider"`
	SelectionRangeProvider          bool                   `json:"selectionRangeProvider"`
	SemanticTokensProvider          *semanticTokensOptions `json:"semanticTokensProvider"`
	DocumentLinkProvider            *documentLinkOptions   `json:"documentLinkProvider"`
	InlayHintProvider               bool                   `json:"inlayHintProvider"`
	OnTypeFormatting                *onTypeOptions         `json:"documentOnTypeFormattingProvider"`
	LinkedEditingRangeProvider      bool                   `json:"linkedEditingRangeProvider"`
	DiagnosticProvider              *diagnosticOptions     `json:"diagnosticProvider,omitempty"`
}

// syncIncremental is the kind of synchronization in which clients send changes.
const syncIncremental = 2

type syncOptions struct {
	OpenClose bool `json:"openClose"`
	Change    int  `json:"change"`
	Save      bool `json:"save"`
}

type diagnosticOptions struct {
	InterFileDependencies bool `json:"interFileDependencies"`
	WorkspaceDiagnostics  bool `json:"workspaceDiagnostics"`
}

type documentID struct {
	URI     string `json:"uri"`
	Version int    `json:"version"`
}

type openParams struct {
	TextDocument struct {
		documentID
		Text string `json:"text"`
	} `json:"textDocument"`
}

type closeParams struct {
	TextDocument documentID `json:"textDocument"`
}

type changeParams struct {
	TextDocument   documentID `json:"textDocument"`
	ContentChanges []change   `json:"contentChanges"`
}

// change replaces a range of a document or, if Range is nil, the whole document.
type change struct {
	Range *textRange `json:"range"`
	Text  string     `json:"text"`
}

type cancelParams struct {
	ID json.RawMessage `json:"id"`
}

type documentParams struct {
	TextDocument documentID `json:"textDocument"`
}

type formattingParams struct {
	TextDocument documentID    `json:"textDocument"`
	Range        *textRange    `json:"range"` // nil for the whole document
	Options      indentOptions `json:"options"`
}

// indentOptions is the indentation that an editor has for a document.
type indentOptions struct {
	TabSize      int  `json:"tabSize"`
	InsertSpaces bool `json:"insertSpaces"`
}

type textEdit struct {
	Range      textRange `json:"range"`
	NewText    string    `json:"newText"`
	Annotation string    `json:"annotationId,omitempty"`
}

type publishParams struct {
	URI         string       `json:"uri"`
	Version     *int         `json:"version,omitempty"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type diagnosticReport struct {
	Kind     string       `json:"kind"`
	ResultID string       `json:"resultId"`
	Items    []diagnostic `json:"items"`
}

type diagnostic struct {
	Range              textRange        `json:"range"`
	Severity           int              `json:"severity"`
	Code               string           `json:"code,omitempty"`
	CodeDescription    *codeDescription `json:"codeDescription,omitempty"`
	Source             string           `json:"source"`
	Message            string           `json:"message"`
	Tags               []int            `json:"tags,omitempty"`
	RelatedInformation []related        `json:"relatedInformation,omitempty"`
	Data               *findingData     `json:"data,omitempty"`
}

// findingData is further data of a diagnostic: the code that hadolint has for it.
type findingData struct {
	Alias string `json:"alias"`
}

type codeDescription struct {
	Href string `json:"href"`
}

type related struct {
	Location location `json:"location"`
	Message  string   `json:"message"`
}

type location struct {
	URI   string    `json:"uri"`
	Range textRange `json:"range"`
}

type logParams struct {
	Type    int    `json:"type"`
	Message string `json:"message"`
}

// Values of numbers in the protocol.
const (
	severityError   = 1
	severityWarning = 2
	severityInfo    = 3
	severityHint    = 4
	tagUnnecessary  = 1
	tagDeprecated   = 2
	logError        = 1
	logWarning      = 2
)

// triggerAutomatic is the kind of a request for code actions that the user has not asked for.
const triggerAutomatic = 2

type workspaceEditSupport struct {
	DocumentChanges  bool            `json:"documentChanges"`
	ChangeAnnotation json.RawMessage `json:"changeAnnotationSupport"`
}

type codeActionOptions struct {
	Kinds []string `json:"codeActionKinds"`
}

type codeActionParams struct {
	TextDocument documentID `json:"textDocument"`
	Range        textRange  `json:"range"`
	Context      struct {
		Only        []string `json:"only"`
		TriggerKind int      `json:"triggerKind"`
	} `json:"context"`
}

type codeAction struct {
	Title       string         `json:"title"`
	Kind        string         `json:"kind"`
	Diagnostics []diagnostic   `json:"diagnostics,omitempty"`
	IsPreferred bool           `json:"isPreferred,omitempty"`
	Edit        *workspaceEdit `json:"edit"`
}

// workspaceEdit changes documents, with or without their versions.
type workspaceEdit struct {
	Changes           map[string][]textEdit       `json:"changes,omitempty"`
	DocumentChanges   []documentEdit              `json:"documentChanges,omitempty"`
	ChangeAnnotations map[string]changeAnnotation `json:"changeAnnotations,omitempty"`
}

type documentEdit struct {
	TextDocument documentID `json:"textDocument"`
	Edits        []textEdit `json:"edits"`
}

// changeAnnotation asks the user about edits.
type changeAnnotation struct {
	Label             string `json:"label"`
	NeedsConfirmation bool   `json:"needsConfirmation"`
	Description       string `json:"description,omitempty"`
}

// Kinds of highlights.
const (
	highlightRead  = 2
	highlightWrite = 3
)

type positionParams struct {
	TextDocument documentID `json:"textDocument"`
	Position     position   `json:"position"`
}

type referenceParams struct {
	positionParams
	Context struct {
		IncludeDeclaration bool `json:"includeDeclaration"`
	} `json:"context"`
}

type renameParams struct {
	positionParams
	NewName string `json:"newName"`
}

type documentHighlight struct {
	Range textRange `json:"range"`
	Kind  int       `json:"kind"`
}

type renameOptions struct {
	Prepare bool `json:"prepareProvider"`
}

type hoverResult struct {
	Contents markup    `json:"contents"`
	Range    textRange `json:"range"`
}

// markup is a text in Markdown.
type markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// Kinds of symbols.
const (
	symbolNamespace = 3
	symbolVariable  = 13
	symbolConstant  = 14
	symbolEvent     = 24
)

type documentSymbol struct {
	Name           string           `json:"name"`
	Detail         string           `json:"detail,omitempty"`
	Kind           int              `json:"kind"`
	Range          textRange        `json:"range"`
	SelectionRange textRange        `json:"selectionRange"`
	Children       []documentSymbol `json:"children,omitempty"`
}

// symbolInformation is a symbol for clients that show no trees.
type symbolInformation struct {
	Name      string   `json:"name"`
	Kind      int      `json:"kind"`
	Location  location `json:"location"`
	Container string   `json:"containerName,omitempty"`
}

func (p documentParams) document() documentID   { return p.TextDocument }
func (p formattingParams) document() documentID { return p.TextDocument }
func (p codeActionParams) document() documentID { return p.TextDocument }
func (p positionParams) document() documentID   { return p.TextDocument }

type completionOptions struct {
	Triggers []string `json:"triggerCharacters"`
}

type completionList struct {
	IsIncomplete bool             `json:"isIncomplete"`
	Items        []completionItem `json:"items"`
}

type completionItem struct {
	Label         string     `json:"label"`
	Kind          int        `json:"kind"`
	Detail        string     `json:"detail,omitempty"`
	Documentation *markup    `json:"documentation,omitempty"`
	SortText      string     `json:"sortText,omitempty"`
	FilterText    string     `json:"filterText,omitempty"`
	TextEdit      textEdit   `json:"textEdit"`
	Additional    []textEdit `json:"additionalTextEdits,omitempty"`
}

// Kinds of completions.
const (
	completesVariable = 6
	completesModule   = 9
	completesProperty = 10
	completesValue    = 12
	completesKeyword  = 14
	completesFile     = 17
	completesFolder   = 19
)
