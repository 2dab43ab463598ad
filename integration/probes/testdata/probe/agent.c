// Messages for the SSH agent. The driver's agent records which of them arrive.
#include "probe.h"
#include <sys/socket.h>
#include <sys/un.h>

// ask sends a message and waits for the answer or the end of the connection.
static void ask(unsigned char type, const char *body, size_t len) {
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *at = getenv("SSH_AUTH_SOCK");
	strncpy(un.sun_path, at ? at : "/nowhere", sizeof un.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 2};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&un, sizeof un) == 0) {
		unsigned char message[256] = {0, 0, 0, len + 1, type};
		memcpy(message + 5, body, len);
		if (write(fd, message, len + 5) == (ssize_t)len + 5 && read(fd, message, sizeof message) >= 5)
			outcome(message[4] == 5 || message[4] == 28 ? EPERM : 0, "answered/%d", type);
		else
			outcome(ECONNRESET, "answered/%d", type);
	} else {
		outcome(result(-1), "connect");
	}
	close(fd);
}

void agent(char **args) {
	static const char string[] = "\0\0\0\1x", library[] = "\0\0\0\012/lib/x.so\0\0\0\0\0";
	ask(11, "", 0);                                   // list
	ask(1, "", 0);                                    // list, protocol 1
	ask(22, string, 5);                               // lock
	ask(23, string, 5);                               // unlock
	ask(18, string, 5);                               // remove
	ask(19, "", 0);                                   // remove all
	ask(9, "", 0);                                    // remove all, protocol 1
	ask(20, library, sizeof library - 1);             // load a PKCS#11 library: CVE-2023-38408
	ask(26, library, sizeof library - 1);             // the same with constraints
	ask(21, library, sizeof library - 1);             // remove a PKCS#11 library
	ask(17, "\0\0\0\013ssh-ed25519\0\0\0\0\0\0\0\0", 23); // add
	ask(25, "\0\0\0\013ssh-ed25519\0\0\0\0\0\0\0\0", 23); // add with constraints
	ask(27, "\0\0\0\1x", 5);                          // extension
	ask(200, "", 0);                                  // unknown
}
