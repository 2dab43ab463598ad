// Package editors tests slipway lsp with real editors, and slipway lint with ShellCheck and
// pre-commit.
//
// The tests install Debian's neovim, ShellCheck and pre-commit if they are missing.
package editors
