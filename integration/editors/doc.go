// Package editors tests slipway lsp with real editors, and slipway lint with ShellCheck.
//
// TestNeovim needs neovim on PATH, TestShellCheck needs ShellCheck: apt-get install neovim
// shellcheck.
package editors
