// Package editors tests slipway lsp with real editors.
//
// TestNeovim needs neovim on PATH: apt-get install neovim.
package editors
