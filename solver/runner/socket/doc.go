// Package socket serves the Unix sockets that steps see, such as the sockets of SSH agents.
package socket
