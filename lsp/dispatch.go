package lsp

import (
	"context"
	"fmt"
	"slices"

	"github.com/sourcegraph/jsonrpc2"
)

// request starts the answer to a request.
func (s *server) request(ctx context.Context, req *jsonrpc2.Request) {
	switch req.Method {
	case "initialize":
		var p initializeParams
		if s.decode(ctx, req, &p) {
			s.reply(ctx, req.ID, s.initialize(p), nil)
		}
	case "shutdown":
		s.mu.Lock()
		s.state = shutDown
		s.mu.Unlock()
		s.reply(ctx, req.ID, nil, nil)
	case "textDocument/formatting", "textDocument/rangeFormatting":
		serve(ctx, s, req, s.format)
	case "textDocument/onTypeFormatting":
		serve(ctx, s, req, s.formatLine)
	case "textDocument/linkedEditingRange":
		serve(ctx, s, req, s.linkedEditing)
	case "textDocument/diagnostic":
		serve(ctx, s, req, s.report)
	case "textDocument/codeAction":
		serve(ctx, s, req, s.codeActions)
	case "textDocument/definition":
		serve(ctx, s, req, s.definition)
	case "textDocument/references":
		serve(ctx, s, req, s.references)
	case "textDocument/documentHighlight":
		serve(ctx, s, req, s.highlight)
	case "textDocument/prepareRename":
		serve(ctx, s, req, s.prepareRename)
	case "textDocument/rename":
		serve(ctx, s, req, s.rename)
	case "textDocument/hover":
		serve(ctx, s, req, s.hover)
	case "textDocument/documentSymbol":
		serve(ctx, s, req, s.symbols)
	case "textDocument/completion":
		serve(ctx, s, req, s.completion)
	case "textDocument/foldingRange":
		serve(ctx, s, req, s.folding)
	case "textDocument/selectionRange":
		serve(ctx, s, req, s.selection)
	case "textDocument/semanticTokens/full", "textDocument/semanticTokens/range":
		serve(ctx, s, req, s.semanticTokens)
	case "textDocument/documentLink":
		serve(ctx, s, req, s.links)
	case "textDocument/inlayHint":
		serve(ctx, s, req, s.hints)
	default:
		s.fail(ctx, req.ID, codeMethodNotFound, fmt.Sprintf("unknown method %q", req.Method))
	}
}

// aboutDocument represents the parameters of a request about a document.
type aboutDocument interface{ document() documentID }

// serve decodes the parameters of a request about a document and answers it with f.
func serve[P aboutDocument](ctx context.Context, s *server, req *jsonrpc2.Request, f func(context.Context, *snapshot, P) (any, error)) {
	var p P
	if s.decode(ctx, req, &p) {
		s.answer(ctx, req, p.document(), func(ctx context.Context, snap *snapshot) (any, error) { return f(ctx, snap, p) })
	}
}

// notification applies a notification.
func (s *server) notification(ctx context.Context, req *jsonrpc2.Request) {
	switch req.Method {
	case "exit":
		select {
		case <-s.exited:
		default:
			close(s.exited)
		}
		return
	case "$/cancelRequest":
		var p cancelParams
		if s.decode(ctx, req, &p) {
			s.cancel(string(p.ID))
		}
		return
	}
	if s.phase() != initialized {
		return
	}
	switch req.Method {
	case "textDocument/didOpen":
		var p openParams
		if s.decode(ctx, req, &p) {
			s.open(ctx, p)
		}
	case "textDocument/didChange":
		var p changeParams
		if s.decode(ctx, req, &p) {
			s.change(ctx, p)
		}
	case "textDocument/didSave":
		var p documentParams
		if s.decode(ctx, req, &p) {
			s.saved(ctx, p.TextDocument.URI)
		}
	case "textDocument/didClose":
		var p closeParams
		if s.decode(ctx, req, &p) {
			s.close(ctx, p.TextDocument.URI)
		}
	}
}

// initialize returns the capabilities of the server.
func (s *server) initialize(p initializeParams) initializeResult {
	s.encoding = utf16Encoding
	if slices.Contains(p.Capabilities.General.PositionEncodings, utf8Encoding) {
		s.encoding = utf8Encoding
	}
	s.pull = len(p.Capabilities.TextDocument.Diagnostic) > 0 && string(p.Capabilities.TextDocument.Diagnostic) != "null"
	s.refresh = s.pull && p.Capabilities.Workspace.Diagnostics.Refresh
	s.related = p.Capabilities.TextDocument.PublishDiagnostics.RelatedInformation
	s.nested = p.Capabilities.TextDocument.DocumentSymbol.Hierarchical
	s.edits = p.Capabilities.Workspace.WorkspaceEdit
	out := initializeResult{ServerInfo: serverInfo{"slipway", s.opt.Version}}
	out.Capabilities = serverCapabilities{
		PositionEncoding:                s.encoding,
		TextDocumentSync:                syncOptions{OpenClose: true, Change: syncIncremental, Save: true},
		DocumentFormattingProvider:      true,
		DocumentRangeFormattingProvider: true,
		CodeActionProvider:              &codeActionOptions{Kinds: []string{kindQuickFix, kindFixAll}},
		DefinitionProvider:              true,
		ReferencesProvider:              true,
		DocumentHighlightProvider:       true,
		RenameProvider:                  &renameOptions{Prepare: true},
		HoverProvider:                   true,
		DocumentSymbolProvider:          true,
		CompletionProvider:              &completionOptions{Triggers: []string{" ", "$", "{", "=", ",", "/", "-"}},
		FoldingRangeProvider:            true,
		SelectionRangeProvider:          true,
		SemanticTokensProvider:          &semanticTokensOptions{Legend: legend(), Range: true, Full: true},
		DocumentLinkProvider:            &documentLinkOptions{},
		InlayHintProvider:               true,
		OnTypeFormatting:                &onTypeOptions{First: "\n"},
		LinkedEditingRangeProvider:      true,
	}
	if s.pull {
		out.Capabilities.DiagnosticProvider = &diagnosticOptions{}
	}
	s.mu.Lock()
	s.state = initialized
	s.mu.Unlock()
	return out
}
